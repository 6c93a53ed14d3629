import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { closeAfterTest, closeOpened } from '../support/closing.ts';
import { isInstalled } from '../support/command.ts';
import { leftBy, prepareRun, programsIn, Run, type RunScene, startRun } from '../support/run.ts';
import { SECRET } from '../support/scene.ts';

closeOpened();

const canIsolate =
  process.getuid?.() === 0 && isInstalled('setpriv') && isInstalled('ip') && isInstalled('curl') && canUnshare();

function canUnshare(): boolean {
  return (
    spawnSync('unshare', ['--mount', '--net', '--pid', '--ipc', '--uts', '--fork', '--mount-proc', 'true']).status === 0
  );
}

if (!canIsolate) console.warn('SKIPPED: run --isolate needs root, CAP_SYS_ADMIN, util-linux, iproute2 and curl');

/** A server on every interface of this machine, that would answer whoever reaches it. */
async function reachable(path?: string): Promise<{ readonly port: number; readonly connections: () => number }> {
  let count = 0;
  const server = createServer((socket) => {
    count++;
    socket.on('error', () => {});
    socket.end('reached\n');
  });
  await new Promise<void>((resolve) =>
    path === undefined ? server.listen(0, '::', resolve) : server.listen(path, resolve),
  );
  closeAfterTest(server, () => new Promise((resolve) => server.close(resolve)));
  const address = server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, connections: () => count };
}

const ownAddress = (): string | undefined =>
  Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4')?.address;

/** Tries each way out and prints a line of JSON: `reached`, or the code with which it failed. The variables are ignored. */
const ESCAPES = `
const net = require('node:net'), dgram = require('node:dgram'), dns = require('node:dns');
const tcp = (where) => new Promise((done) => {
  const socket = net.connect(where, () => { done('reached'); socket.destroy(); });
  socket.on('error', (error) => done(error.code));
  socket.setTimeout(3000, () => { done('timeout'); socket.destroy(); });
});
const udp = (port, host, type) => new Promise((done) => {
  const socket = dgram.createSocket(type);
  socket.on('error', (error) => done(error.code));
  socket.connect(port, host, (error) => error ? done(error.code) : socket.send('x', (failed) => done(failed ? failed.code : 'reached')));
});
const lookUp = async (server) => {
  const resolver = new dns.promises.Resolver({ timeout: 1000, tries: 1 });
  resolver.setServers([server]);
  return resolver.resolve4('example.com').then(() => 'reached', (error) => error.code);
};
const system = () => dns.promises.lookup('example.com').then(() => 'reached', (error) => error.code);
(async () => {
  const { port, address, socket } = JSON.parse(process.env.WHERE);
  const found = {
    'loopback of the machine': await tcp({ port, host: '127.0.0.1' }),
    'IPv6 loopback of the machine': await tcp({ port, host: '::1' }),
    'address of the machine': await tcp({ port, host: address }),
    'public address': await tcp({ port: 443, host: '1.1.1.1' }),
    'public IPv6 address': await tcp({ port: 443, host: '2606:4700:4700::1111' }),
    'metadata': await tcp({ port: 80, host: '169.254.169.254' }),
    'UDP 443': await udp(443, '1.1.1.1', 'udp4'),
    'UDP 443 over IPv6': await udp(443, '2606:4700:4700::1111', 'udp6'),
    'DNS': await lookUp('8.8.8.8'),
    'DNS of the system': await system(),
    'socket of a service': await tcp({ path: socket }),
    'abstract socket': await tcp({ path: '\\0postern-test' }),
  };
  console.log(JSON.stringify(found));
  process.exit(0);
})();
`;

/** Without folders of root's home, in which another user may not even look. */
const PLAIN_PATH = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin' };

/** Runs a shell script isolated, and answers what it printed. */
async function isolated(scene: RunScene, script: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const run = startRun(scene, ['--isolate', '--', 'sh', '-c', script], { ...env, ...PLAIN_PATH });
  const { code } = await run.ended();
  return `${run.stdout}${run.stderr}status ${code}\n`;
}

describe.skipIf(!canIsolate)('postern run --isolate', () => {
  it('leaves a program that ignores the variables no way out', async () => {
    const scene = await prepareRun();
    const socket = join(scene.folder, 'service.sock');
    const tcp = await reachable();
    const unix = await reachable(socket);
    await reachable('\0postern-test');
    chmodSync(socket, 0o777);
    writeFileSync(join(scene.folder, 'escapes.cjs'), ESCAPES);
    const where = JSON.stringify({ port: tcp.port, address: ownAddress() ?? '192.0.2.1', socket });
    const run = startRun(scene, ['--isolate', '--', programsIn(scene.folder).node, 'escapes.cjs'], { WHERE: where });
    expect((await run.ended()).code, run.stderr).toBe(0);
    const found: unknown = JSON.parse(run.stdout);
    expect(found).toMatchObject({ 'public address': 'ENETUNREACH', metadata: 'ENETUNREACH', 'UDP 443': 'ENETUNREACH' });
    expect(run.stdout).not.toContain('reached');
    expect(tcp.connections() + unix.connections()).toBe(0);
  });

  it('lets it out through the proxy, with the credential', async () => {
    const scene = await prepareRun();
    const said = await isolated(
      scene,
      `curl -sS -w '%{http_code}\\n' ${scene.url}; curl -sS https://denied.test/; echo $?`,
    );
    expect(said).toContain('answered\n200\n');
    expect(said).toMatch(/CONNECT tunnel failed, response 403\n/);
    expect(leftBy(scene)).toEqual([]);
  });

  it('gives it another user, without groups, capabilities or a way to gain any', async () => {
    const said = await isolated(await prepareRun(), 'id -u; id -G; grep -E "^(Cap|NoNewPrivs)" /proc/self/status');
    expect(said).toMatch(/^65534\n\d+\n/);
    expect(said.match(/^Cap\w+:\s+0+$/gm)).toHaveLength(5);
    expect(said).toMatch(/NoNewPrivs:\s+1/);
  });

  it('shows it no process, environment or file that holds a secret', async () => {
    const scene = await prepareRun();
    const secret = 'value-of-unused-secret';
    const script = `cat /proc/[0-9]*/environ /proc/[0-9]*/mem ${scene.folder}/secret.txt ${scene.folder}/tmp/*/*/* 2>/dev/null
cat /proc/${process.pid}/environ; kill -0 ${process.pid}; ls ${scene.folder}/tmp/* /run/postern/link; env
echo "processes: $(ls -d /proc/[0-9]* | wc -l)"`;
    const said = await isolated(scene, script, { UNUSED_TOKEN: secret });
    expect(said).not.toContain(secret);
    expect(said).not.toContain(SECRET);
    expect(said).toMatch(/environ: No such file/);
    expect(said).toMatch(/No such process/);
    expect(said.match(/cannot open directory [^\n]*: Permission denied/g)).toHaveLength(2);
    expect(Number(/processes: (\d+)/.exec(said)?.[1])).toBeLessThan(10);
  });

  it('gives it a home and temporary folders that go with it', async () => {
    const scene = await prepareRun();
    const said = await isolated(
      scene,
      'touch "$HOME/a" /tmp/b /var/tmp/c /dev/shm/d && pwd && ls -A /tmp/b "$HOME"; echo "$HOME"',
    );
    expect(said).toContain(`${scene.folder}\n/tmp/b\n\n/run/postern/home:\na\n/run/postern/home\n`);
    expect(leftBy(scene)).toEqual([]);
  });

  it.each([
    ['read a secret', 'secret.txt', 0o644, /could read \S+secret\.txt/],
    ['change the policy', 'policies/test.yaml', 0o666, /could change \S+test\.yaml/],
    ['add a policy', 'policies', 0o777, /could change \S+policies/],
    ['change postern.yaml', 'postern.yaml', 0o666, /could change \S+postern\.yaml/],
    ['replace a folder', '.', 0o777, /could change \S+postern-test-/],
  ])('starts nothing if it could %s', async (_, path, mode, why) => {
    const scene = await prepareRun();
    chmodSync(join(scene.folder, path), mode);
    const said = await isolated(scene, 'echo started');
    expect(said).toMatch(why);
    expect(said).toMatch(/status 1\n$/);
    expect(said).not.toContain('started');
    expect(leftBy(scene)).toEqual([]);
  });

  it('starts nothing if a link leads to a secret that it could read', async () => {
    const scene = await prepareRun();
    mkdirSync(join(scene.folder, 'real'));
    writeFileSync(join(scene.folder, 'real/secret.txt'), `${SECRET}\n`);
    chmodSync(join(scene.folder, 'real/secret.txt'), 0o644);
    rmSync(join(scene.folder, 'secret.txt'));
    symlinkSync('real/secret.txt', join(scene.folder, 'secret.txt'));
    expect(await isolated(scene, 'echo started')).toMatch(/could read[\s\S]*status 1\n$/);
  });

  it('starts nothing if a link leads to a policy whose folder it could replace', async () => {
    const scene = await prepareRun();
    mkdirSync(join(scene.folder, 'open/inner'), { recursive: true });
    renameSync(join(scene.folder, 'policies'), join(scene.folder, 'open/inner/policies'));
    chmodSync(join(scene.folder, 'open'), 0o777);
    symlinkSync('open/inner/policies', join(scene.folder, 'policies'));
    const said = await isolated(scene, 'echo started');
    expect(said).toMatch(/could change \S+\/open;[\s\S]*status 1\n$/);
  });

  it('says why where it cannot be isolated', async () => {
    const scene = await prepareRun();
    const { node, program } = programsIn(scene.folder);
    const line = `exec '${node}' '${program}' run --isolate -- echo started`;
    const dropped = new Run('setpriv', ['--bounding-set=-sys_admin', 'sh', '-c', line], {
      cwd: scene.folder,
      env: { ...process.env },
    });
    expect((await dropped.ended()).code).toBe(1);
    expect(dropped.stderr).toContain('CAP_SYS_ADMIN');
    const nobody = new Run('setpriv', ['--reuid=65534', '--clear-groups', 'sh', '-c', line], {
      cwd: scene.folder,
      env: { ...process.env },
    });
    expect((await nobody.ended()).code).toBe(1);
    expect(nobody.stderr).toContain('needs root');
    expect(dropped.stdout + nobody.stdout).toBe('');
  });

  it.each([
    ['its status', 'exit 9', { code: 9, signal: null }],
    ['128+9 if it was killed', 'kill -KILL $$', { code: 137, signal: null }],
    ['the signal that asked it to end', 'kill -TERM $$', { code: null, signal: 'SIGTERM' }],
    ['127 if there is no such command', 'exec no-such-command', { code: 127, signal: null }],
  ])('ends with %s', async (_, script, end) => {
    const scene = await prepareRun();
    expect(await startRun(scene, ['--isolate', '--', 'sh', '-c', script], PLAIN_PATH).ended()).toEqual(end);
    expect(leftBy(scene)).toEqual([]);
  });

  it('passes SIGTERM on', async () => {
    const scene = await prepareRun();
    const script = `trap 'echo asked; kill -9 $!; exit 3' TERM; sleep 60 & echo ready; wait`;
    const run = startRun(scene, ['--isolate', '--', 'sh', '-c', script]);
    await run.printed(/ready/);
    run.child.kill('SIGTERM');
    expect(await run.ended()).toEqual({ code: 3, signal: null });
    expect(leftBy(scene)).toEqual([]);
  });

  it('ends what the command left running', async () => {
    const scene = await prepareRun();
    const run = startRun(scene, ['--isolate', '--', 'sh', '-c', 'sleep 60 & echo started']);
    // The output of what sleeps would stay open.
    expect(await run.ended()).toEqual({ code: 0, signal: null });
  });

  it('ends with everything in it when postern is killed', async () => {
    const scene = await prepareRun();
    const run = startRun(scene, ['--isolate', '--', 'sh', '-c', 'echo ready; sleep 60']);
    await run.printed(/ready/);
    run.child.kill('SIGKILL');
    expect(await run.ended()).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('takes another user than ours alone', async () => {
    const scene = await prepareRun();
    expect((await startRun(scene, ['--isolate', '--user', '0', '--', 'true']).ended()).code).toBe(2);
    const run = startRun(scene, ['--isolate', '--user', '4242', '--', 'id', '-u']);
    await run.ended();
    expect(run.stdout).toBe('4242\n');
  });
});
