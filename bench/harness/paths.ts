import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The benchmark's own folder and the project's. */
export const benchFolder = dirname(dirname(fileURLToPath(import.meta.url)));
export const projectFolder = dirname(benchFolder);

/** What the harness compiles; git does not see it. */
export const cacheFolder = join(benchFolder, '.cache');

/** What `--install` puts there: peers that are no dependency of the project; git does not see it. */
export const peersFolder = join(benchFolder, '.peers');

/** Makes a folder if it is not there, and returns it. */
export function ensureFolder(folder: string): string {
  mkdirSync(folder, { recursive: true });
  return folder;
}
