import { lstat, readdir, readlink, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';

/** What to keep an eye on. Absolute paths; nothing of it needs to exist. */
export interface WatchTargets {
  /** The policies: a folder with its `*.yaml`, or one file. */
  readonly policies: string;
  readonly files: readonly string[];
}

/** Names by folder: an entry of that name that appears, goes or changes there may change what a target reads as. */
export type WatchPoints = ReadonlyMap<string, ReadonlySet<string>>;

/** As many symbolic links as the kernel follows (path_resolution(7)). */
const LINKS_MAX = 40;

/** The targets one by one: every file to be looked at, the policies folder among them so that new files are seen. */
export async function pathsOf({ policies, files }: WatchTargets): Promise<readonly string[]> {
  const names = await readdir(policies).catch(() => []);
  const inside = names
    .filter((name) => name.endsWith('.yaml') && !name.startsWith('.'))
    .map((name) => join(policies, name));
  return [...new Set([policies, ...inside, ...files])];
}

/**
 * Where to listen for changes of those paths: the folder of each, and the folder of every symbolic link on the way, since Kubernetes
 * replaces a link (`..data`) and not the file. Of what does not exist, the folder in which its first missing part would appear.
 */
export async function watchPointsOf(paths: readonly string[]): Promise<WatchPoints> {
  const points = new Map<string, Set<string>>();
  const add = (folder: string, name: string): void => {
    const names = points.get(folder) ?? new Set([basename(folder)]);
    points.set(folder, names.add(name));
  };
  const memo = new Map<string, Promise<string | null>>();
  const linkAt = (path: string): Promise<string | null> => {
    const known = memo.get(path) ?? linkTarget(path);
    memo.set(path, known);
    return known;
  };
  for (const path of paths) await walk(path, linkAt, add);
  return points;
}

async function walk(
  path: string,
  linkAt: (path: string) => Promise<string | null>,
  add: (folder: string, name: string) => void,
): Promise<void> {
  let folder = '/';
  let left = partsOf(path);
  for (let links = 0; left.length > 0; ) {
    const [part = '', ...rest] = left;
    const here = part === '..' ? dirname(folder) : join(folder, part);
    const target = await linkAt(here).catch(() => 'missing' as const);
    if (target !== null || rest.length === 0) add(folder, part);
    if (target === 'missing') return;
    if (target === null) {
      folder = here;
      left = rest;
      continue;
    }
    if (++links > LINKS_MAX) return;
    left = [...partsOf(target), ...rest];
    if (isAbsolute(target)) folder = '/';
  }
}

const partsOf = (path: string): string[] => path.split('/').filter((part) => part !== '' && part !== '.');

/** Where the link at that path points; null if it is no link. Rejects if there is nothing. */
async function linkTarget(path: string): Promise<string | null> {
  return (await lstat(path)).isSymbolicLink() ? await readlink(path) : null;
}

/** What tells one state of a file from another without reading it; empty if it is not there. */
export async function fingerprintOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}`;
  } catch {
    return '';
  }
}
