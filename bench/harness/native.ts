import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { benchFolder, cacheFolder, ensureFolder } from './paths.ts';

const sourcesByProgram = {
  load: ['load.c', 'options.c', 'connection.c', 'response.c', 'stats.c'],
  origin: ['origin.c'],
} as const;

/** Compiles one of our C programs unless it is newer than all sources, and returns its path. Needs a C compiler and OpenSSL's headers. */
export function compiled(program: keyof typeof sourcesByProgram): string {
  const folder = join(benchFolder, 'native');
  const output = join(ensureFolder(cacheFolder), program);
  if (isNewer(output, folder)) return output;
  const sources = sourcesByProgram[program].map((name) => join(folder, name));
  const argv = ['-O2', '-Wall', '-Wextra', '-o', output, ...sources, '-lssl', '-lcrypto'];
  const result = spawnSync('cc', argv, { encoding: 'utf8' });
  if (result.status === 0) return output;
  throw new Error(
    `cc failed (Debian: apt-get install gcc libc6-dev libssl-dev)\n${result.error?.message ?? result.stderr}`,
  );
}

function isNewer(output: string, folder: string): boolean {
  const built = statSync(output, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return readdirSync(folder).every((name) => statSync(join(folder, name)).mtimeMs < built);
}
