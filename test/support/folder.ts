import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, onTestFinished } from 'vitest';

/** An empty folder that goes with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** An empty folder for all tests of a file, which another user may look into. */
export function suiteFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-test-'));
  chmodSync(folder, 0o755);
  afterAll(() => {
    makeWritable(folder);
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Of what a test made read-only nothing could be removed by a user that is not root. Links are not followed. */
function makeWritable(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) makeWritable(join(folder, entry.name));
}
