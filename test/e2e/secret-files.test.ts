import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { answering } from '../support/origin.ts';
import { type Scene, SECRET, startScene } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const UNAVAILABLE = '503 SECRET_UNAVAILABLE';

class Scenario {
  readonly #scene: Scene;
  #generation = 1;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  get folder(): string {
    return this.#scene.postern.folder;
  }

  get path(): string {
    return join(this.folder, 'secret.txt');
  }

  /** Makes a change, and answers with what the next request carries: the credential, or the code that refuses it. */
  async after(change: () => void): Promise<string> {
    change();
    this.#generation++;
    await this.#scene.postern.logged(new RegExp(`"generation":${this.#generation},.*a new generation is in force`));
    return await this.carried();
  }

  async carried(): Promise<string> {
    const { tunnel, authority, origin } = this.#scene;
    const client = await tunnel();
    client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    const [, status = ''] = await client.until(/^HTTP\/1\.1 (\S+ \S+)/);
    client.socket.destroy();
    if (status !== '200 OK') return status;
    const seen = origin.connections.map(({ received }) => received).join('');
    return [...seen.matchAll(/Authorization: Bearer (.*)\r\n/g)].at(-1)?.[1] ?? 'nothing';
  }
}

async function start(): Promise<Scenario> {
  return new Scenario(await startScene({ origin: { onConnection: answering(OK) } }));
}

/** Puts a file in the place of whatever is there. */
function put(path: string, value: string): void {
  rmSync(path, { recursive: true, force: true });
  writeFileSync(path, value, { mode: 0o600 });
}

describe('a secret file that changes while requests need it', () => {
  it('is followed through every kind of replacement', async () => {
    const scenario = await start();
    const { path, folder } = scenario;
    expect(await scenario.carried()).toBe(SECRET);
    expect(await scenario.after(() => writeFileSync(path, 'written-in-place\n'))).toBe('written-in-place');
    const byRename = (): void => {
      put(`${path}.next`, 'put-there-by-rename');
      renameSync(`${path}.next`, path);
    };
    expect(await scenario.after(byRename)).toBe('put-there-by-rename');
    // As Kubernetes mounts a secret: the name leads to ..data, which leads to a folder that is swapped.
    const volume = (version: string): void => {
      mkdirSync(join(folder, version));
      writeFileSync(join(folder, version, 'secret.txt'), `value-of-${version}`, { mode: 0o600 });
      symlinkSync(version, join(folder, '..data_tmp'));
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    };
    const mount = (): void => {
      volume('..one');
      rmSync(path);
      symlinkSync('..data/secret.txt', path);
    };
    expect(await scenario.after(mount)).toBe('value-of-..one');
    for (const [next, last] of [
      ['..two', '..one'],
      ['..three', '..two'],
    ] as const) {
      const swap = (): void => {
        volume(next);
        rmSync(join(folder, last), { recursive: true });
      };
      expect(await scenario.after(swap)).toBe(`value-of-${next}`);
    }
  });

  it('is never used again once it cannot be had, and at once when it is back', async () => {
    const scenario = await start();
    const { path, folder } = scenario;
    const isRoot = process.geteuid?.() === 0;
    const breakages: readonly (readonly [what: string, breakIt: () => void])[] = [
      ['removed', () => rmSync(path)],
      ['writable by others', () => chmodSync(path, 0o602)],
      // Root reads everything.
      ...(isRoot ? [] : [['unreadable', () => chmodSync(path, 0o000)] as const]),
      ['empty', () => writeFileSync(path, '')],
      ['of two lines', () => writeFileSync(path, 'line-one-of-it\nline-two-of-it\n')],
      ['not UTF-8', () => writeFileSync(path, Buffer.from([0xff, 0xfe, 0xfd]))],
      ['too large', () => writeFileSync(path, 'x'.repeat(70_000))],
      [
        'a folder',
        () => {
          rmSync(path);
          mkdirSync(path);
        },
      ],
      [
        'a pipe that nobody writes to',
        () => {
          rmSync(path);
          execFileSync('mkfifo', [path]);
        },
      ],
      [
        'a device without end',
        () => {
          rmSync(path);
          symlinkSync('/dev/zero', path);
        },
      ],
      [
        'a link that leads nowhere',
        () => {
          rmSync(path);
          symlinkSync(join(folder, 'nowhere'), path);
        },
      ],
    ];
    for (const [at, [what, breakIt]] of breakages.entries()) {
      expect(await scenario.after(breakIt), what).toBe(UNAVAILABLE);
      const value = `back-again-${at}-of-them`;
      expect(await scenario.after(() => put(path, value)), `after ${what}`).toBe(value);
    }
    if (isRoot) console.warn('SKIPPED: a file that may not be read, since root reads it');
  });

  it('is not in force while it is half written', async () => {
    const scenario = await start();
    let before = SECRET;
    let longestMs = Number.POSITIVE_INFINITY;
    // A machine that stops this test for longer than a file must be quiet lets half a value pass for a whole one: then once more.
    for (let attempt = 1; longestMs > QUIET_MS && attempt < 6; attempt++) {
      const value = `attempt-${attempt}-of-a-value-that-is-written-slowly`;
      const seen = new Set<string>();
      const writing = writeSlowly(scenario.path, value);
      while (!seen.has(value)) seen.add(await scenario.carried());
      longestMs = await writing;
      if (longestMs <= QUIET_MS) expect([...seen]).toEqual([before, value]);
      before = value;
    }
    expect(longestMs).toBeLessThanOrEqual(QUIET_MS);
  });
});

/** Less than the quiet time of SEMANTICS.md 10, so that what the machine adds does not matter. */
const QUIET_MS = 90;

/** Truncates the file and writes a character now and then. Resolves with the longest pause, ms. */
async function writeSlowly(path: string, value: string): Promise<number> {
  const file = openSync(path, 'w');
  let longestMs = 0;
  let lastMs = performance.now();
  for (const char of value) {
    writeSync(file, char);
    longestMs = Math.max(longestMs, performance.now() - lastMs);
    lastMs = performance.now();
    await delay(15);
  }
  closeSync(file);
  return longestMs;
}
