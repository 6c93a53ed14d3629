import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SWEEPS_VARIABLE } from './sweep.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Once before all tests: those that start the built program must not test yesterday's, and tell what was searched after them. */
export function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'postern-sweeps-'));
  process.env[SWEEPS_VARIABLE] = join(folder, 'sweeps.jsonl');
  build();
  return () => rmSync(folder, { recursive: true, force: true });
}

function build(): void {
  const built = changedMs('dist/postern.js');
  const sources = [...globSync('src/**/*.ts', { cwd: root }), 'package.json', 'scripts/build.ts'];
  if (sources.every((path) => changedMs(path) <= built)) return;
  execFileSync(process.execPath, ['scripts/build.ts'], { cwd: root, stdio: 'inherit' });
}

function changedMs(path: string): number {
  return statSync(`${root}/${path}`, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
