import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { isInstalled, runCommand } from '../support/command.ts';
import { temporaryFolder } from '../support/folder.ts';
import { listening } from '../support/listening.ts';
import { PROGRAM, prepareRun, programsIn, type RunScene, startRun } from '../support/run.ts';

closeOpened();

interface Result {
  readonly check: string;
  readonly outcome: string;
  readonly text: string;
  readonly todo?: string;
}

const DOCTOR = [process.execPath, PROGRAM, 'doctor'] as const;
const isRoot = process.getuid?.() === 0;
const canIsolate =
  isRoot && ['unshare', 'setpriv', 'ip'].every(isInstalled) && spawnSync('unshare', ['-n', 'true']).status === 0;

if (!canIsolate)
  console.warn('SKIPPED: tests of doctor in a namespace need root, CAP_SYS_ADMIN, util-linux and iproute2');

async function examined(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<readonly Result[]> {
  const { stdout, stderr } = await runCommand(process.execPath, [PROGRAM, 'doctor', '--json', ...args], { env });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as readonly Result[];
}

async function inside(
  scene: RunScene,
  ...args: readonly string[]
): Promise<{ readonly code: number | null; readonly results: readonly Result[] }> {
  const { node, program } = programsIn(scene.folder);
  // The machine's own Node may be too old to know the variables, and that is what doctor would say.
  const env = { PATH: `${scene.folder}:${process.env.PATH}` };
  const run = startRun(scene, ['--isolate', '--', node, program, 'doctor', '--json', ...args], env);
  const { code } = await run.ended();
  return { code, results: JSON.parse(run.stdout) as readonly Result[] };
}

const found = (results: readonly Result[], check: string): Result => {
  const result = results.find((each) => each.check === check);
  if (result === undefined) throw new Error(`no check is called ${check}`);
  return result;
};

const WAYS = ['direct TCP', 'IPv6', 'UDP 443', 'external DNS', 'DNS of the system', 'metadata address'];

describe('postern doctor', () => {
  it('says what is not set where there is no proxy, and what to do', async () => {
    const results = await examined({});
    expect(found(results, 'proxy')).toMatchObject({ outcome: 'problem', text: 'no variable names a proxy' });
    expect(found(results, 'Python ssl').outcome).toMatch(/problem|not installed/);
    for (const { outcome, todo } of results) expect(todo === undefined).toBe(outcome !== 'problem');
  });

  it('tells a proxy that does not answer, and one that is not Postern', async () => {
    const port = await listening(createServer((_, response) => response.writeHead(403).end('denied')));
    const other = await examined({ HTTPS_PROXY: `http://127.0.0.1:${port}` });
    expect(found(other, 'proxy')).toMatchObject({ outcome: 'problem', text: `127.0.0.1:${port} is not Postern` });
    const silent = await listening(createServer(() => {}));
    const hanging = await examined({ https_proxy: `http://127.0.0.1:${silent}` });
    expect(found(hanging, 'proxy').text).toBe(`127.0.0.1:${silent} does not answer`);
    const nowhere = await examined({ HTTPS_PROXY: 'http://127.0.0.1:1' });
    expect(found(nowhere, 'proxy').text).toContain('ECONNREFUSED');
  });

  it('finds what is set right, without a host to ask', async () => {
    const scene = await prepareRun();
    const run = startRun(scene, ['--', ...DOCTOR, '--json']);
    await run.ended();
    const results = JSON.parse(run.stdout) as readonly Result[];
    expect(found(results, 'proxy').outcome).toBe('ok');
    for (const check of ['curl', 'git', 'Python ssl', 'Node', 'OpenSSL', 'Go', 'Java'])
      expect(found(results, check).outcome, check).toMatch(/^(ok|not installed)$/);
  });

  it('makes a real request with every program that is installed', async () => {
    const scene = await prepareRun();
    const { host } = new URL(scene.url);
    const run = startRun(scene, ['--', ...DOCTOR, '--json', '--host', host]);
    await run.ended();
    const results = JSON.parse(run.stdout) as readonly Result[];
    for (const check of ['curl', 'git', 'Python ssl', 'Python requests', 'Node', 'OpenSSL']) {
      const result = found(results, check);
      if (result.outcome !== 'not installed')
        expect(result).toEqual({ check, outcome: 'ok', text: `trusts ${host} through the proxy` });
    }
  });

  it('finds a CA that is not trusted', async () => {
    const scene = await prepareRun();
    const folder = temporaryFolder();
    spawnSync(process.execPath, [PROGRAM, 'ca', 'init', '--dir', folder]);
    const wrong = join(folder, 'ca.pem');
    const { host } = new URL(scene.url);
    const names = ['CURL_CA_BUNDLE', 'SSL_CERT_FILE', 'GIT_SSL_CAINFO', 'NODE_EXTRA_CA_CERTS', 'REQUESTS_CA_BUNDLE'];
    const settings = names.map((name) => `${name}=${wrong}`);
    const run = startRun(scene, ['--', 'env', ...settings, ...DOCTOR, '--json', '--host', host]);
    expect((await run.ended()).code).toBe(1);
    const results = JSON.parse(run.stdout) as readonly Result[];
    for (const check of ['curl', 'git', 'Python ssl', 'Node', 'OpenSSL'])
      expect(found(results, check).outcome, check).toMatch(/^(problem|not installed)$/);
  });

  it('prints a line each', async () => {
    const { stdout, code } = await runCommand(process.execPath, [PROGRAM, 'doctor'], { env: {} });
    expect(code).toBe(1);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(1 + 8 + WAYS.length);
    for (const line of lines) expect(line).toMatch(/^(ok|problem|not installed) +\S/);
    expect(lines[0]).toMatch(/^problem +proxy +no variable names a proxy; set the variables/);
  });

  it.each([[['--nope']], [['--host', 'a b']], [['--host', 'x:99999']], [['extra']]])(
    'ends with 2 for %j',
    async (args) => {
      const { code, stderr } = await runCommand(process.execPath, [PROGRAM, 'doctor', ...args]);
      expect(code).toBe(2);
      expect(stderr).toContain('postern doctor [--host');
    },
  );
});

/** In a namespace of its own, where the addresses that doctor asks are ours: servers on them, then doctor. */
const OPEN_WORLD = `
const { execFileSync, spawn } = require('node:child_process'), net = require('node:net'), dgram = require('node:dgram');
const ip = (...args) => execFileSync('ip', args);
ip('link', 'set', 'lo', 'up');
for (const each of ['1.1.1.1/32', '8.8.8.8/32', '169.254.169.254/32']) ip('addr', 'add', each, 'dev', 'lo');
ip('addr', 'add', '2606:4700:4700::1111/128', 'dev', 'lo', 'nodad');
const listen = (host, port) => new Promise((done) => net.createServer((s) => s.on('error', () => {})).listen(port, host, done));
const bind = (host, port, answer) => new Promise((done) => {
  const socket = dgram.createSocket('udp4');
  socket.on('message', (m, { port, address }) => { const reply = answer(m); if (reply) socket.send(reply, port, address); });
  socket.bind(port, host, done);
});
const noSuchName = (m) => { const reply = Buffer.from(m); reply[2] |= 0x80; reply[3] = 0x83; return reply; };
const negotiation = (m) => m.length >= 1200 && Buffer.from([0x80, 0, 0, 0, 0, 8, ...m.subarray(15, 23), 8, ...m.subarray(6, 14), 0, 0, 0, 1]);
(async () => {
  await listen('1.1.1.1', 443); await listen('2606:4700:4700::1111', 443); await listen('169.254.169.254', 80);
  await bind('1.1.1.1', 443, negotiation); await bind('8.8.8.8', 53, noSuchName);
  const [program, ...args] = process.argv.slice(2);
  spawn(program, args, { stdio: 'inherit' }).on('exit', (code) => process.exit(code));
})();
`;

describe.skipIf(!canIsolate)('postern doctor in a namespace', () => {
  it('is content with what run --isolate gives a command', async () => {
    const scene = await prepareRun();
    const { code, results } = await inside(scene, '--host', new URL(scene.url).host);
    expect(results.filter(({ outcome }) => outcome === 'problem')).toEqual([]);
    expect(found(results, 'curl').text).toMatch(/trusts|^$/);
    for (const way of WAYS) expect(found(results, way)).toEqual({ check: way, outcome: 'ok', text: 'closed' });
    expect(code).toBe(0);
  });

  it('finds every way around that is open', async () => {
    const folder = temporaryFolder();
    const script = join(folder, 'open-world.cjs');
    writeFileSync(script, OPEN_WORLD);
    const command = ['--net', process.execPath, script, ...DOCTOR, '--json'];
    const { stdout, stderr, code } = await runCommand('unshare', command, { env: {} });
    expect(stderr).toBe('');
    const results = JSON.parse(stdout) as readonly Result[];
    for (const way of WAYS.filter((each) => each !== 'DNS of the system'))
      expect(found(results, way).outcome, way).toBe('problem');
    expect(code).toBe(1);
  });
});
