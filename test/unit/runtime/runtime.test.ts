import { chmodSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Outcome, StartError } from '../../../src/runtime/runtime.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import { allowing, hosts, runtimeScene, sandboxAllowing, started, withSecret } from '../../support/runtime.ts';

const P = 'policies/default.yaml';

const summary = ({ kind, generation, findings }: Outcome): unknown => [
  kind,
  generation,
  findings.filter(({ level }) => level === 'error').length,
];

describe('the start', () => {
  it('puts policies, secrets and a new CA in force as generation 1, without postern.yaml', async () => {
    const { runtime, folder } = await started({ [P]: allowing('api.example.com') });
    expect(runtime.current.generation).toBe(1);
    expect(runtime.current.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(hosts(runtime.current)).toEqual(['api.example.com']);
    expect(readFileSync(join(folder, 'certs/ca.pem'), 'utf8')).toBe(runtime.state.authority.authority.caPem);
    expect(Object.isFrozen(runtime.current)).toBe(true);
  });

  it.each([
    ['postern.yaml is broken', { 'postern.yaml': 'version: [' }, 'postern.yaml'],
    ['postern.yaml has an unknown key', { 'postern.yaml': 'version: 1\nfoo: 1\n' }, 'postern.yaml'],
    ['a trust file is missing', { 'postern.yaml': 'version: 1\nupstream: { trust: [extra.pem] }\n' }, 'extra.pem'],
    ['the CA is damaged', { 'certs/ca.pem': 'nonsense', 'certs/ca-key.pem': 'nonsense' }, 'certs'],
  ])('is refused with a finding if %s', async (_, files, file) => {
    const { runtime, folder } = runtimeScene({ [P]: allowing('api.example.com'), ...files });
    if ('certs/ca-key.pem' in files) chmodSync(join(folder, 'certs/ca-key.pem'), 0o600);
    const error = await runtime.start().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StartError);
    expect(error instanceof StartError && error.findings.map(({ place }) => place.file).join()).toContain(file);
  });

  it('is refused if the config that was asked for is not there', async () => {
    const { runtime } = runtimeScene({ [P]: allowing('api.example.com') }, { settingsRequired: true });
    await expect(runtime.start()).rejects.toThrow(StartError);
  });

  it('goes on with a policy that does not load, denies that sandbox and says why', async () => {
    const { runtime, log } = await started({ [P]: 'version: 1\nrules: 7\n' });
    expect(hosts(runtime.current)).toBe(null);
    expect(runtime.current.findings.map(({ level, place }) => [level, place.file])).toEqual([['error', P]]);
    expect((await log()).map(({ level, file }) => [level, file])).toContainEqual([50, P]);
  });

  it('allows nothing where the folder is empty, and denies everything where there is none', async () => {
    const empty = await started({ 'policies/README': '' });
    expect(hosts(empty.runtime.current)).toEqual([]);
    const missing = await started({});
    expect(hosts(missing.runtime.current)).toBe(null);
  });

  it('takes flags over the file', async () => {
    const overrides = { policies: '' };
    const scene = runtimeScene({ 'other/a.yaml': allowing('other.example.com'), [P]: allowing('api.example.com') });
    overrides.policies = join(scene.folder, 'other');
    const { runtime } = await started({ [P]: allowing('api.example.com') }, { overrides });
    expect(hosts(runtime.current)).toEqual(['other.example.com']);
  });
});

describe('a reload', () => {
  it('puts an edit in force as the next generation, tells the listeners and resolves after them', async () => {
    const { runtime, write } = await started({ [P]: allowing('api.example.com') });
    const first = runtime.current;
    const told: unknown[] = [];
    runtime.onSwap((next, previous) => told.push([next === runtime.current, previous === first]));
    write(P, allowing('new.example.com'));
    expect(summary(await runtime.reload('test'))).toEqual(['swapped', 2, 0]);
    expect(told).toEqual([[true, true]]);
    expect(hosts(runtime.current)).toEqual(['new.example.com']);
    expect(hosts(first)).toEqual(['api.example.com']);
    expect(runtime.current.hash).not.toBe(first.hash);
  });

  it('swaps nothing if nothing changed, and has the old hash again after a change back', async () => {
    const { runtime, write } = await started({ [P]: allowing('api.example.com') });
    const first = runtime.current;
    expect(summary(await runtime.reload('test'))).toEqual(['unchanged', 1, 0]);
    expect(runtime.current).toBe(first);
    write(P, allowing('new.example.com'));
    await runtime.reload('test');
    write(P, allowing('api.example.com'));
    expect(summary(await runtime.reload('test'))).toEqual(['swapped', 3, 0]);
    expect(runtime.current.hash).toBe(first.hash);
  });

  it('keeps what is unchanged: policies, leaves, resolver and trust are the same objects', async () => {
    const files = { 'policies/a.yaml': sandboxAllowing('a', '10.0.0.1/32', 'a.example.com') };
    const { runtime, write } = await started(files);
    const first = runtime.current;
    write('policies/b.yaml', sandboxAllowing('b', '10.0.0.2/32', 'b.example.com'));
    await runtime.reload('test');
    expect(hosts(runtime.current, 'b')).toEqual(['b.example.com']);
    expect(runtime.current.sandboxes.get('a')?.policy).toBe(first.sandboxes.get('a')?.policy);
    expect(runtime.current.leaves).toBe(first.leaves);
    expect(runtime.current.resolver).toBe(first.resolver);
    expect(runtime.current.upstreamContext).toBe(first.upstreamContext);
  });

  it('keeps a broken file at its last good form without a new generation, and says so until it is mended', async () => {
    const { runtime, write, log } = await started({ [P]: allowing('api.example.com') });
    const first = runtime.current;
    write(P, 'version: 1\nrules: [');
    expect(summary(await runtime.reload('test'))).toEqual(['unchanged', 1, 1]);
    expect(runtime.current).toBe(first);
    expect(runtime.state.governed.get('default')?.state).toBe('last-good');
    expect(summary(await runtime.reload('test'))).toEqual(['unchanged', 1, 1]);
    write(P, allowing('mended.example.com'));
    expect(summary(await runtime.reload('test'))).toEqual(['swapped', 2, 0]);
    const said = (await log()).filter(({ level, file }) => level === 50 && file === P);
    expect(said).toHaveLength(1);
  });

  it('is stopped as a whole by a postern.yaml that does not load', async () => {
    const { runtime, write } = await started({ [P]: allowing('api.example.com'), 'postern.yaml': 'version: 1\n' });
    write(P, allowing('new.example.com'));
    write('postern.yaml', 'version: 1\nlimits: { connections: many }\n');
    const outcome = await runtime.reload('test');
    expect(summary(outcome)).toEqual(['refused', 1, 1]);
    expect(outcome.findings[0]?.place.file).toBe('postern.yaml');
    expect(hosts(runtime.current)).toEqual(['api.example.com']);
    write('postern.yaml', 'version: 1\nlimits: { connections: 7 }\n');
    expect(summary(await runtime.reload('test'))).toEqual(['swapped', 2, 0]);
    expect([hosts(runtime.current), runtime.current.settings.limits.connections]).toEqual([['new.example.com'], 7]);
  });

  it('keeps what only a start may change, and says so', async () => {
    const { runtime, write, folder } = await started({
      [P]: allowing('api.example.com'),
      'postern.yaml': 'version: 1\n',
    });
    const changed = 'version: 1\npolicies: elsewhere/\nlisten: { proxy: [127.0.0.1:7777] }\nlog: { level: warn }\n';
    write('postern.yaml', changed);
    const outcome = await runtime.reload('test');
    expect(outcome.kind).toBe('swapped');
    expect(runtime.state.restartRequired).toEqual(['listen', 'policies']);
    expect(outcome.findings.map(({ level, path }) => [level, path])).toEqual([
      ['warning', 'listen'],
      ['warning', 'policies'],
    ]);
    expect(runtime.current.settings.policies).toBe(join(folder, 'policies'));
    expect(runtime.current.settings.log.level).toBe('warn');
  });

  it('keeps the CA that is lost or damaged while it runs, and never makes another', async () => {
    const { runtime, folder, remove } = await started({ [P]: allowing('api.example.com') });
    const ca = runtime.state.authority.authority.id;
    remove('certs');
    const outcome = await runtime.reload('test');
    expect(summary(outcome)).toEqual(['unchanged', 1, 1]);
    expect(runtime.state.authority.authority.id).toBe(ca);
    expect(() => readFileSync(join(folder, 'certs/ca.pem'))).toThrow('ENOENT');
  });

  it('gives callers that ask while one runs a reading that began after they asked, all of them the same', async () => {
    const { runtime, write, metrics } = await started({ [P]: allowing('api.example.com') });
    write(P, allowing('one.example.com'));
    const first = runtime.reload('first');
    const [second, third] = [runtime.reload('second'), runtime.reload('third')];
    write(P, allowing('two.example.com'));
    expect(await first).not.toBe(await second);
    const outcomes = await Promise.all([second, third]);
    expect(outcomes[0]).toBe(outcomes[1]);
    expect(hosts(runtime.current)).toEqual(['two.example.com']);
    expect(metrics.reloads.swapped + metrics.reloads.unchanged).toBe(3);
  });

  it('goes on although a listener fails, and logs where', async () => {
    const { runtime, write, log } = await started({ [P]: allowing('api.example.com') });
    let told = 0;
    runtime.onSwap(() => {
      throw new Error('a message that must not be logged');
    });
    runtime.onSwap(() => told++);
    write(P, allowing('new.example.com'));
    expect((await runtime.reload('test')).kind).toBe('swapped');
    expect(told).toBe(1);
    const lines = await log();
    expect(lines.find(({ stack }) => stack !== undefined)?.stack).toContain('runtime.test.ts');
    expect(JSON.stringify(lines)).not.toContain('must not be logged');
  });

  it('says in one line what it newly allows and denies', async () => {
    const { runtime, write, log } = await started({ [P]: allowing('old.example.com') });
    write(P, allowing('new.example.com', 'default: allow\n'));
    await runtime.reload('test');
    const find = async (): Promise<Record<string, unknown> | undefined> =>
      (await log()).find(({ msg }) => msg === 'a new generation is in force');
    await expect.poll(find).toBeDefined();
    expect(await find()).toMatchObject({
      reason: 'test',
      generation: 2,
      allowed: ['default: hosts that no rule names', 'default: new.example.com (new.example.com)'],
      denied: ['default: old.example.com (old.example.com)'],
    });
  });

  it('survives a file of any shape under its policies', async () => {
    const { runtime, write, folder } = await started({ [P]: allowing('api.example.com') });
    write('policies/latin1.yaml', '');
    writeFileSync(join(folder, 'policies/latin1.yaml'), Buffer.from([0x76, 0xff, 0xfe]));
    symlinkSync('/nowhere', join(folder, 'policies/dangling.yaml'));
    symlinkSync('/dev/zero', join(folder, 'policies/endless.yaml'));
    const outcome = await runtime.reload('test');
    expect(outcome.findings.map(({ place, text }) => `${place.file} ${text}`).sort()).toEqual([
      'policies/dangling.yaml does not exist',
      'policies/endless.yaml is not a regular file',
      'policies/latin1.yaml is not UTF-8 from here on; save the file as UTF-8',
    ]);
    expect(hosts(runtime.current)).toEqual(['api.example.com']);
  });
});

describe('secrets', () => {
  it('come from the environment of the start and from files, by the names of the policy', async () => {
    const environment = { GITHUB_TOKEN: 'value-from-env' };
    const { runtime } = await started({ [P]: withSecret('env: GITHUB_TOKEN') }, { environment });
    const secret = runtime.current.sandboxes.get('default')?.vault.get('github');
    expect(secret instanceof Secret && secret.matches('value-from-env')).toBe(true);
    expect(String(secret)).toBe('[secret github]');
  });

  it('that cannot be had are warnings at their place and block nothing', async () => {
    const { runtime } = await started({ [P]: withSecret('file: ../token') });
    expect(hosts(runtime.current)).toEqual(['api.example.com']);
    const [finding, ...others] = runtime.current.findings;
    expect([finding?.level, finding?.path, finding?.place.line, others]).toEqual(['warning', 'secrets.github', 3, []]);
    expect(finding?.text).toContain('does not exist');
  });

  it('that tokens of sandboxes and of the admin listener are warned about too', async () => {
    const { runtime } = await started({
      [P]: allowing('a.example.com', 'sandbox: { name: a, match: [{ token: { file: ../a-token } }] }\n'),
      'postern.yaml': 'version: 1\nadmin: { token: { env: ADMIN } }\n',
    });
    expect(runtime.current.findings.map(({ level, path, text }) => [level, path, text])).toEqual([
      ['warning', 'admin.token', 'the admin token is not available: the environment variable ADMIN is not set'],
      ['warning', 'sandbox.match[0].token', 'the token is not available: the file does not exist'],
    ]);
  });

  it('that were rotated make a new generation with the same hash, the same policy and the new value', async () => {
    const { runtime, write, folder } = await started({ [P]: withSecret('file: ../token'), token: 'old-value\n' });
    chmodSync(join(folder, 'token'), 0o600);
    const first = runtime.current;
    write('token', 'new-value\n');
    expect((await runtime.reload('test')).kind).toBe('swapped');
    expect(runtime.current.hash).toBe(first.hash);
    const [was, is] = [first, runtime.current].map((each) => each.sandboxes.get('default'));
    expect(is?.policy).toBe(was?.policy);
    expect(
      [was, is]
        .map((each) => each?.vault.get('github'))
        .map((secret) => secret instanceof Secret && [secret.matches('old-value'), secret.matches('new-value')]),
    ).toEqual([
      [true, false],
      [false, true],
    ]);
  });

  it('that were written again with the same value change nothing', async () => {
    const { runtime, write } = await started({ [P]: withSecret('file: ../token'), token: 'value' });
    write('token', 'value\n');
    expect((await runtime.reload('test')).kind).toBe('unchanged');
  });

  it('never show their value in a log line, a finding or the status', async () => {
    const { runtime, log, folder } = await started({
      [P]: withSecret('file: ../token'),
      token: 'val\nue-in-two-lines',
    });
    chmodSync(join(folder, 'token'), 0o644);
    await runtime.reload('test');
    expect(JSON.stringify([await log(), runtime.findings, [...runtime.current.sandboxes.values()]])).not.toContain(
      'ue-in-two',
    );
  });
});
