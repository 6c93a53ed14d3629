import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { benchFolder, cacheFolder, ensureFolder } from './paths.ts';

const client = ['report.c', 'options.c', 'connection.c', 'response.c', 'stats.c'];

/** Those of HTTP/2 alone need nghttp2's headers. */
const sourcesByProgram = {
  load: ['load.c', ...client],
  origin: ['origin.c', 'server.c'],
  'load-h2': ['load_h2.c', 'h2_link.c', ...client],
  'origin-h2': ['origin_h2.c', 'h2_link.c', 'server.c'],
} as const;

export type Program = keyof typeof sourcesByProgram;

/** Compiles one of our C programs unless it is newer than all sources, and returns its path. Needs a C compiler and OpenSSL's headers. */
export function compiled(program: Program): string {
  const folder = join(benchFolder, 'native');
  const output = join(ensureFolder(cacheFolder), program);
  if (isNewer(output, folder)) return output;
  const sources = sourcesByProgram[program].map((name) => join(folder, name));
  const h2 = program.endsWith('-h2');
  const libraries = ['-lssl', '-lcrypto', ...(h2 ? ['-lnghttp2'] : [])];
  const argv = ['-O2', '-Wall', '-Wextra', '-o', output, ...sources, ...libraries];
  const result = spawnSync('cc', argv, { encoding: 'utf8' });
  if (result.status === 0) return output;
  throw new Error(
    `cc failed (Debian: apt-get install gcc libc6-dev libssl-dev${h2 ? ' libnghttp2-dev' : ''})\n${result.error?.message ?? result.stderr}`,
  );
}

function isNewer(output: string, folder: string): boolean {
  const built = statSync(output, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return readdirSync(folder).every((name) => statSync(join(folder, name)).mtimeMs < built);
}
