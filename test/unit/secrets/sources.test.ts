import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { SecretSource } from '../../../src/policy/model.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import { isSame, type Reading, readSources, sourceKey } from '../../../src/secrets/sources.ts';
import { temporaryFolder } from '../../support/folder.ts';

async function read(source: SecretSource, strict = false, environment = {}): Promise<Reading | undefined> {
  return (await readSources([source], environment, strict)).get(sourceKey(source));
}

const isValue = (reading: Reading | undefined, value: string): boolean =>
  reading?.resolved instanceof Secret && reading.resolved.matches(value);

const whyNot = (reading: Reading | undefined): string | null =>
  reading !== undefined && !(reading.resolved instanceof Secret) ? reading.resolved.unavailable : null;

function file(bytes: string | Buffer, mode = 0o600): SecretSource {
  const path = join(temporaryFolder(), 'secret');
  writeFileSync(path, bytes);
  chmodSync(path, mode);
  return { kind: 'file', path };
}

/** The user that has nothing, on every Linux. */
const NOBODY = 65534;

describe('a secret in a file', () => {
  it.each([
    ['value', 'value'],
    ['value\n', 'value'],
    ['value\r\n', 'value'],
    [' spaces stay \n', ' spaces stay '],
    ['süß 🔑\n', 'süß 🔑'],
  ])('is its text without the final newline: %j', async (text, value) => {
    expect(isValue(await read(file(text)), value)).toBe(true);
  });

  it.each([
    ['empty', '', 'the file is empty'],
    ['only a newline', '\n', 'the file is empty'],
    ['two final newlines', 'alpha\n\n', 'line break or NUL'],
    ['a line break inside', 'alpha\nomega', 'line break or NUL'],
    ['a carriage return inside', 'alpha\romega', 'line break or NUL'],
    ['NUL inside', 'alpha\0omega', 'line break or NUL'],
    ['not UTF-8', Buffer.from([0xff, 0xfe]), 'not UTF-8'],
    ['larger than 64 KiB', 'x'.repeat(64 * 1024 + 1), 'larger than 64 KiB'],
  ])('is unavailable if it is %s, and the reason does not quote it', async (_, bytes, why) => {
    const reason = whyNot(await read(file(bytes)));
    expect(reason).toContain(why);
    expect(reason).not.toMatch(/alpha|omega/);
  });

  it('may have 64 KiB exactly', async () => {
    expect(isValue(await read(file('x'.repeat(64 * 1024))), 'x'.repeat(64 * 1024))).toBe(true);
  });

  it.each([
    [0o600, false, null],
    [0o640, false, null],
    [0o644, false, 'warning'],
    [0o644, true, 'the file can be read by others'],
    [0o640, true, null],
    [0o602, false, 'the file can be written by others'],
    [0o666, false, 'the file can be written by others'],
  ] as const)('with mode %o and strict_files %j gives: %s', async (mode, strict, expected) => {
    const reading = await read(file('value', mode), strict);
    if (expected === null) expect([isValue(reading, 'value'), reading?.warning]).toEqual([true, null]);
    else if (expected === 'warning')
      expect([isValue(reading, 'value'), reading?.warning]).toEqual([true, expect.stringContaining('read by others')]);
    else expect(whyNot(reading)).toContain(expected);
  });

  it('is found through symbolic links, and it is the target that is checked', async () => {
    const target = file('value', 0o606);
    const path = join(temporaryFolder(), 'link');
    symlinkSync(target.kind === 'file' ? target.path : '', path);
    expect(whyNot(await read({ kind: 'file', path }))).toContain('written by others');
    if (target.kind === 'file') chmodSync(target.path, 0o600);
    expect(isValue(await read({ kind: 'file', path }), 'value')).toBe(true);
  });

  it('is unavailable if this process may not read it', async () => {
    const source = file('value', 0o000);
    const isRoot = process.geteuid?.() === 0;
    try {
      if (isRoot) process.seteuid?.(NOBODY);
      expect(whyNot(await read(source))).toBe('the file may not be read by this process');
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });

  it.each([
    [0o700, false, null],
    [0o777, false, 'warning'],
    [0o777, true, 'the file is in a folder that others can write to'],
    // As /tmp and the volumes of Kubernetes are: nobody can replace what is another's.
    [0o1777, true, null],
  ] as const)('in a folder with mode %o and strict_files %j gives: %s', async (mode, strict, expected) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'secret'), 'value', { mode: 0o600 });
    chmodSync(folder, mode);
    // The folder of the file counts, not that of a link to it.
    const link = join(temporaryFolder(), 'link');
    symlinkSync(join(folder, 'secret'), link);
    for (const path of [join(folder, 'secret'), link]) {
      const reading = await read({ kind: 'file', path }, strict);
      if (expected === null) expect([isValue(reading, 'value'), reading?.warning]).toEqual([true, null]);
      else if (expected === 'warning') expect(reading?.warning).toContain('can so replace it');
      else expect(whyNot(reading)).toContain(expected);
    }
  });

  it('is unavailable, at once, where there is no file, a folder, a pipe, a socket, a device or a loop of links', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'folder'));
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    symlinkSync('loop', join(folder, 'loop'));
    const server = createServer().listen(join(folder, 'socket'));
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    symlinkSync('/dev/zero', join(folder, 'device'));
    symlinkSync('pipe', join(folder, 'link-to-pipe'));
    const names = ['missing', 'folder', 'pipe', 'link-to-pipe', 'socket', 'device', 'loop'];
    const reasons = names.map(async (name) => whyNot(await read({ kind: 'file', path: join(folder, name) })));
    expect(await Promise.all(reasons)).toEqual([
      'the file does not exist',
      ...Array.from({ length: 5 }, () => 'the file is not a regular file'),
      'the file is a loop of symbolic links',
    ]);
  });
});

describe('a secret in the environment', () => {
  const source: SecretSource = { kind: 'env', variable: 'TOKEN' };

  it('is the value of its variable', async () => {
    expect(isValue(await read(source, false, { TOKEN: 'value\n' }), 'value')).toBe(true);
  });

  it('is unavailable if it is not set, empty or holds a line break', async () => {
    expect(whyNot(await read(source))).toBe('the environment variable TOKEN is not set');
    expect(whyNot(await read(source, false, { TOKEN: '' }))).toContain('is empty');
    expect(whyNot(await read(source, false, { TOKEN: 'a\nb' }))).toContain('line break');
  });
});

describe('reading many sources', () => {
  it('reads each place once, however many secrets name it', async () => {
    const shared = file('value');
    const readings = await readSources(
      Array.from({ length: 50 }, () => shared),
      {},
      false,
    );
    expect(readings.size).toBe(1);
  });

  it('reads hundreds of files', async () => {
    const folder = temporaryFolder();
    const sources = Array.from({ length: 300 }, (_, at): SecretSource => {
      writeFileSync(join(folder, `${at}`), `value ${at}`, { mode: 0o600 });
      return { kind: 'file', path: join(folder, `${at}`) };
    });
    const readings = await readSources(sources, {}, false);
    expect(sources.every((source, at) => isValue(readings.get(sourceKey(source)), `value ${at}`))).toBe(true);
  });

  it('tells a rotation from a rewrite of the same value', () => {
    expect(isSame(new Secret('a', 'value'), new Secret('b', 'value'))).toBe(true);
    expect(isSame(new Secret('a', 'value'), new Secret('a', 'other'))).toBe(false);
    expect(isSame({ unavailable: 'x' }, { unavailable: 'x' })).toBe(true);
    expect(isSame({ unavailable: 'x' }, new Secret('a', 'x'))).toBe(false);
  });

  it('shows no value, whichever way a reading is printed', async () => {
    const reading = await read(file('the-value-itself'));
    const printed = [
      JSON.stringify(reading),
      inspect(reading, { depth: 9, showHidden: true }),
      String(reading?.resolved),
    ];
    expect(printed.join()).not.toContain('the-value-itself');
  });
});
