import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bind, whyNotBound } from '../../../src/runtime/bind.ts';
import type { ListenAddress } from '../../../src/runtime/settings.ts';
import { closeAfterTest, closeOpened } from '../../support/closing.ts';
import { temporaryFolder } from '../../support/folder.ts';

closeOpened();

const at = (path: string): ListenAddress => ({ kind: 'unix', path, text: `unix:${path}` });

function server(): Server {
  const made = createServer();
  return closeAfterTest(made, () => made.close());
}

/** What an operator is told; null where it was bound. */
const problemAt = (path: string): Promise<string | null> =>
  bind(server(), at(path)).then(
    () => null,
    (error: unknown) => whyNotBound(at(path), error),
  );

/** A socket whose process was killed. */
function leftBehind(path: string): void {
  const program = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', program]);
  expect(existsSync(path)).toBe(true);
}

describe('a Unix socket', () => {
  it('that nobody listens on is replaced', async () => {
    const path = join(temporaryFolder(), 'x.sock');
    leftBehind(path);
    expect(await problemAt(path)).toBeNull();
  });

  it('that somebody listens on stays theirs', async () => {
    const path = join(temporaryFolder(), 'x.sock');
    await bind(server(), at(path));
    const { ino } = statSync(path);
    expect(await problemAt(path)).toMatch(/^somebody listens there already/);
    expect(statSync(path).ino).toBe(ino);
  });

  it('is never made of a file or folder that is something else', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'precious');
    writeFileSync(file, 'precious');
    mkdirSync(join(folder, 'folder'));
    for (const path of [file, join(folder, 'folder')])
      expect(await problemAt(path)).toBe('a file that is no socket is there; remove it, or choose another path');
    expect(statSync(file).size).toBe(8);
  });

  it('needs its folder', async () => {
    expect(await problemAt(join(temporaryFolder(), 'missing', 'x.sock'))).toBe('its folder is not there; make it');
  });

  it.skipIf(process.getuid?.() === 0)('needs to be allowed into its folder', async () => {
    const folder = temporaryFolder();
    chmodSync(folder, 0o500);
    expect(await problemAt(join(folder, 'x.sock'))).toBe('its folder may not be written by this process (EACCES)');
  });

  it('has the mode that is asked for, and leaves the umask as it was', async () => {
    const path = join(temporaryFolder(), 'x.sock');
    const before = process.umask();
    await bind(server(), at(path), { socketMode: 0o660 });
    expect(statSync(path).mode & 0o777).toBe(0o660);
    expect(process.umask()).toBe(before);
  });

  it('is removed when its server closes', async () => {
    const path = join(temporaryFolder(), 'x.sock');
    const made = createServer();
    await bind(made, at(path));
    made.close();
    expect(existsSync(path)).toBe(false);
  });
});

it('a port that is taken is told as such', async () => {
  const address: ListenAddress = { kind: 'tcp', host: '127.0.0.1', port: 0, text: '127.0.0.1:0' };
  const bound = await bind(server(), address);
  const error = await bind(server(), bound).catch((thrown: unknown) => thrown);
  expect(whyNotBound(bound, error)).toBe('another process listens there; choose another address');
});
