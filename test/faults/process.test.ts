import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { closeAfterTest, closeOpened } from '../support/closing.ts';
import { metric } from '../support/observed.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw } from '../support/raw-client.ts';
import { loopback } from '../support/scene.ts';

closeOpened();

const LAG = 'postern_event_loop_lag_seconds';

describe('the event loop', () => {
  it('is measured: a process that was held is seen in the next scrape, and not in the one after', async () => {
    const postern = await startPostern({ policies: 'version: 1\nrules: []\n', ...loopback() });
    // Measuring begins with the first scrape.
    await metric(postern, LAG);
    postern.child.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    postern.child.kill('SIGCONT');
    await expect.poll(() => metric(postern, LAG), { timeout: 3_000 }).toBeGreaterThan(0.9);
    expect(await metric(postern, LAG)).toBeLessThan(0.5);
  });
});

/** A small disk of its own, if this user may mount one; null otherwise. */
function smallDisk(): string | null {
  const dir = mkdtempSync(join(tmpdir(), 'postern-test-disk-'));
  closeAfterTest(dir, () => rmSync(dir, { recursive: true, force: true }));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', dir], { stdio: 'ignore' });
  } catch {
    return null;
  }
  return closeAfterTest(dir, () => execFileSync('umount', ['-l', dir]));
}

describe('a disk that is full', () => {
  it('lets traffic pass, drops lines that find no room and counts them, and has no broken line once there is room', async (test) => {
    const disk = smallDisk();
    if (disk === null) {
      console.warn('SKIPPED: a full disk needs the right to mount one');
      return test.skip();
    }
    mkdirSync(join(disk, 'audit'));
    writeFileSync(join(disk, 'ballast'), Buffer.alloc(32 * 1024));
    const file = join(disk, 'audit/audit.jsonl');
    const base = loopback();
    const postern = await startPostern({
      policies: 'version: 1\nrules: []\n',
      ...base,
      settings: { ...base.settings, log: { audit: file } },
    });
    const client = await connectRaw(postern.proxyPort);
    const refused = 'GET http://denied.test/ HTTP/1.1\r\nHost: denied.test\r\n\r\n';
    const ask = async (count: number): Promise<void> => {
      client.send(refused.repeat(count));
      for (let answers = 0; answers < count; answers++) await client.take(/^HTTP\/1\.1 403 [^}]*\}\}\n/);
    };
    let asked = 0;
    // Some 450 bytes a line: past the disk, then past the 4 MiB that wait.
    for (; asked < 11_000; asked += 500) await ask(500);
    await postern.logged(/"code":"ENOSPC"[^\n]*audit lines cannot be written/);
    const dropped = await metric(postern, 'postern_audit_dropped_total');
    expect(dropped).toBeGreaterThan(0);
    execFileSync('mount', ['-o', 'remount,size=64m', disk]);
    await postern.logged(/audit lines are written again/);
    await ask(1);
    const lines = (): readonly string[] => readFileSync(file, 'utf8').split('\n').slice(0, -1);
    await expect.poll(() => lines().length, { timeout: 5_000 }).toBe(asked + 1 - dropped);
    for (const line of lines()) expect(JSON.parse(line)).toMatchObject({ code: 'HOST_DENIED' });
    expect(await metric(postern, 'postern_audit_dropped_total')).toBe(dropped);
  });
});
