import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, type TestContext } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { isInstalled } from '../support/command.ts';
import { leftBy, PROGRAM, prepareRun, Run, startRun } from '../support/run.ts';

closeOpened();

/**
 * Says that it is ready, answers SIGTERM with a status of its own. It kills with 9, since a child that has only just been forked still has the
 * trap of its parent, and swallows what can be caught.
 */
const OBEDIENT = `trap 'echo asked; kill -9 $!; exit 3' TERM; sleep 60 & echo ready; wait`;

function needs(program: string, context: TestContext): void {
  if (!isInstalled(program)) context.skip(`${program} is not installed`);
}

describe('postern run', () => {
  it('has the command reach an origin that wants the credential, without a variable set by hand', async (context) => {
    needs('curl', context);
    const scene = await prepareRun();
    const run = startRun(scene, ['--', 'curl', '-sS', '-w', '%{http_code}', scene.url]);
    expect(await run.ended()).toEqual({ code: 0, signal: null });
    expect(run.stdout).toBe('answered\n200');
    expect(leftBy(scene)).toEqual([]);
  });

  it('says once, on standard error, that the secrets are within reach of a hostile command', async () => {
    const scene = await prepareRun();
    const run = startRun(scene, ['--', 'true']);
    await run.ended();
    expect(run.stderr.match(/can read the secrets/g)).toHaveLength(1);
    expect(run.stdout).toBe('');
  });

  it('gives the command no variable that a secret names, of any sandbox', async () => {
    const scene = await prepareRun();
    const other = `version: 1
sandbox: { name: other, match: [{ token: { env: OTHER_TOKEN } }] }
secrets: { key: { env: OTHER_KEY } }
`;
    writeFileSync(join(scene.folder, 'policies/other.yaml'), other);
    const secrets = { UNUSED_TOKEN: 'value-of-unused', OTHER_TOKEN: 'value-of-token', OTHER_KEY: 'value-of-key' };
    const run = startRun(scene, ['--sandbox', 'main', '--', 'env'], { ...secrets, KEPT: 'value-of-kept' });
    expect((await run.ended()).code).toBe(0);
    expect(run.stdout).toContain('KEPT=value-of-kept');
    for (const [name, value] of Object.entries(secrets)) {
      expect(run.stdout).not.toContain(name);
      expect(run.stdout).not.toContain(value);
    }
  });

  it('gives it what stands in for a key that a rule adds', async () => {
    const scene = await prepareRun(`version: 1
secrets: { github: { env: GITHUB_TOKEN } }
rules: [{ hosts: [api.github.com], inject: [{ bearer: "\${github}" }] }]
`);
    const run = startRun(scene, ['--', 'sh', '-c', 'echo "$GITHUB_TOKEN"'], { GITHUB_TOKEN: 'value-of-github' });
    await run.ended();
    expect(run.stdout).toBe('unused-postern-adds-it\n');
  });

  it.each([
    ['the status of the command', ['sh', '-c', 'exit 42'], { code: 42, signal: null }],
    ['127 for a command that is not there', ['no-such-command'], { code: 127, signal: null }],
    ['126 for one that cannot be executed', ['/etc/passwd'], { code: 126, signal: null }],
    ['128+9 for one that was killed', ['sh', '-c', 'kill -KILL $$'], { code: 137, signal: null }],
    ['the signal that asked the command to end', ['sh', '-c', 'kill -TERM $$'], { code: null, signal: 'SIGTERM' }],
  ])('ends with %s, and leaves nothing behind', async (_, command, end) => {
    const scene = await prepareRun();
    expect(await startRun(scene, ['--', ...command]).ended()).toEqual(end);
    expect(leftBy(scene)).toEqual([]);
  });

  it('passes input on, and arguments as they are, --help included', async () => {
    const scene = await prepareRun();
    const run = startRun(scene, ['--', 'sh', '-c', 'cat; printf "%s|" "$@"', 'sh', '--help', 'a b', '', '--']);
    run.child.stdin?.end('typed\n');
    await run.ended();
    expect(run.stdout).toBe('typed\n--help|a b||--|');
  });

  it('passes SIGTERM on, and waits for what the command makes of it', async () => {
    const scene = await prepareRun();
    const run = startRun(scene, ['--', 'sh', '-c', OBEDIENT]);
    await run.printed(/ready/);
    run.child.kill('SIGTERM');
    expect(await run.ended()).toEqual({ code: 3, signal: null });
    expect(run.stdout).toContain('asked');
    expect(leftBy(scene)).toEqual([]);
  });

  it.each(['SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const)('passes %s on', async (signal) => {
    const scene = await prepareRun();
    const script = `trap 'echo got; kill -9 $!; exit 3' ${signal.slice(3)}; sleep 60 & echo ready; wait`;
    const run = startRun(scene, ['--', 'sh', '-c', script]);
    await run.printed(/ready/);
    run.child.kill(signal);
    expect(await run.ended()).toEqual({ code: 3, signal: null });
  });

  it('lets a key of the terminal reach the command once', async (context) => {
    needs('script', context);
    const scene = await prepareRun();
    const counting = `let n = 0; process.on('SIGINT', () => console.log('key ' + ++n));
      process.stdin.on('data', () => { console.log('keys=' + n); process.exit(5); }); console.log('ready');`;
    writeFileSync(join(scene.folder, 'count.cjs'), counting);
    const line = `exec '${process.execPath}' '${PROGRAM}' run -- '${process.execPath}' count.cjs`;
    const run = new Run('script', ['-qec', line, '/dev/null'], {
      cwd: scene.folder,
      env: { ...process.env, SHELL: '/bin/sh' },
    });
    await run.printed(/ready/);
    run.child.stdin?.write('\x03');
    await run.printed(/key 1/);
    run.child.stdin?.write('enough\n');
    expect(await run.printed(/keys=(\d+)/)).toBe('1');
    expect((await run.ended()).code).toBe(5);
  });

  it('starts nothing and says where, if a policy has an error', async () => {
    const scene = await prepareRun('version: 1\nrules: [{ hosts: ["*.com"] }]\n');
    const run = startRun(scene, ['--', 'echo', 'started']);
    expect((await run.ended()).code).toBe(1);
    expect(run.stderr).toMatch(/^policies\/test\.yaml:2:\d+ {2}rules\[0\]\.hosts\[0\]/);
    expect(run.stdout).toBe('');
    expect(leftBy(scene)).toEqual([]);
  });

  it('starts nothing and leaves nothing, if the proxy cannot start', async () => {
    const scene = await prepareRun();
    const run = startRun(scene, ['--audit', 'no/such/folder', '--', 'echo', 'started']);
    expect((await run.ended()).code).toBe(1);
    expect(run.stderr).toContain('log.audit');
    expect(run.stdout).toBe('');
    expect(leftBy(scene)).toEqual([]);
  });

  it.each([
    ['no command', []],
    ['no command behind --', ['--']],
    ['a command without --', ['true']],
    ['an option that is none', ['--nope', '--', 'true']],
    ['a sandbox that is none', ['--sandbox', 'nobody', '--', 'true']],
    ['a user without --isolate', ['--user', 'nobody', '--', 'true']],
    ['an admin address that is none', ['--admin', 'somewhere', '--', 'true']],
  ])('ends with 2 for %s', async (_, args) => {
    const run = startRun(await prepareRun(), args);
    expect((await run.ended()).code).toBe(2);
    expect(run.stderr).toContain('postern run [--policy PATH]');
  });

  it('writes audit lines where they are wanted, and never among the output of the command', async (context) => {
    needs('curl', context);
    const scene = await prepareRun();
    const command = ['--', 'curl', '-sS', '-o', '/dev/null', scene.url];
    const quiet = startRun(scene, command);
    await quiet.ended();
    expect(`${quiet.stdout}${quiet.stderr}`).not.toContain('"decision"');
    const verbose = startRun(scene, ['--verbose', ...command]);
    await verbose.ended();
    expect(verbose.stdout).toBe('');
    expect(verbose.stderr).toContain('"decision":"allow"');
    const filed = startRun(scene, ['--audit', 'audit.jsonl', ...command]);
    await filed.ended();
    expect(`${filed.stdout}${filed.stderr}`).not.toContain('"decision"');
    expect(readFileSync(join(scene.folder, 'audit.jsonl'), 'utf8')).toContain('"decision":"allow"');
  });

  it('has an admin listener only where one is asked for', async (context) => {
    needs('curl', context);
    const scene = await prepareRun();
    const socket = join(scene.folder, 'admin.sock');
    const ask = ['--', 'curl', '-sS', '--unix-socket', socket, 'http://localhost/healthz'];
    expect((await startRun(scene, ask).ended()).code).not.toBe(0);
    const run = startRun(scene, ['--admin', `unix:${socket}`, ...ask]);
    expect((await run.ended()).code).toBe(0);
    expect(existsSync(socket)).toBe(false);
  });

  it('keeps the CA that it is given a folder for', async () => {
    const scene = await prepareRun();
    const shown = async (): Promise<string> => {
      const run = startRun(scene, ['--ca-dir', 'kept', '--', 'sh', '-c', 'cat "$NODE_EXTRA_CA_CERTS"']);
      await run.ended();
      return run.stdout;
    };
    const first = await shown();
    expect(first).toContain('BEGIN CERTIFICATE');
    expect(await shown()).toBe(first);
  });

  it('is governed by the one sandbox that is named, whatever its match says', async (context) => {
    needs('curl', context);
    const scene = await prepareRun();
    const strict = 'version: 1\nsandbox: { name: strict, match: [{ source: 10.9.9.8 }] }\nrules: []\n';
    writeFileSync(join(scene.folder, 'policies/strict.yaml'), strict);
    const run = startRun(scene, ['--sandbox', 'strict', '--verbose', '--', 'curl', '-sS', scene.url]);
    expect((await run.ended()).code).not.toBe(0);
    expect(run.stderr).toMatch(/"sandbox":"strict"[^\n]*"code":"HOST_DENIED"/);
    const unnamed = startRun(scene, ['--', 'true']);
    expect((await unnamed.ended()).code).toBe(2);
    expect(unnamed.stderr).toContain('main, strict');
  });
});
