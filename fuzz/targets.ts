import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Target } from './target.ts';

/** The targets of a folder: name and the address of its file. */
export function targetsIn(folder: string): ReadonlyMap<string, string> {
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts'));
  return new Map(files.sort().map((name) => [name.slice(0, -'.ts'.length), pathToFileURL(join(folder, name)).href]));
}

/** The target that a file exports. */
export async function loadTarget(url: string): Promise<Target> {
  const exported: unknown = await import(url);
  if (typeof exported === 'object' && exported !== null && 'target' in exported && isTarget(exported.target))
    return exported.target;
  throw new TypeError(`${url} exports no target`);
}

const isTarget = (value: unknown): value is Target =>
  typeof value === 'object' && value !== null && 'check' in value && typeof value.check === 'function';
