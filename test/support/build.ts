import { execFileSync } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Once before all tests: those that start the built program must not test yesterday's. */
export function setup(): void {
  const built = changedMs('dist/postern.js');
  const sources = [...globSync('src/**/*.ts', { cwd: root }), 'package.json', 'scripts/build.ts'];
  if (sources.every((path) => changedMs(path) <= built)) return;
  execFileSync(process.execPath, ['scripts/build.ts'], { cwd: root, stdio: 'inherit' });
}

function changedMs(path: string): number {
  return statSync(`${root}/${path}`, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
