import { type FSWatcher, watch } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { fingerprintOf, pathsOf, type WatchTargets, watchPointsOf } from './watch-points.ts';

/** SEMANTICS.md 10: where inotify does not work, files are looked at this often. */
const POLL_MS = 2_000;
/** Paths that are new to the watch are looked at soon: they were read before they were watched, and may have changed in between. */
const FIRST_POLL_MS = 1_000;
/** As a safety net elsewhere, so that thousands of files cost no more than a few thousandths of a core. */
const POLL_MS_PER_PATH = 10;
/** After an event, folders are looked at again once this long has passed: links may point elsewhere, folders may be new ones. */
const REARM_MS = 30;

/** File systems (statfs(2) `f_type`) that do not tell about changes made on another machine or on the host. */
const SILENT_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0x6969, // NFS
  0x01021997, // 9p
  0x65735546, // FUSE, virtiofs
  0xff534d42, // CIFS
  0xfe534d42, // SMB2
  0x786f4256, // vboxsf
  0x00c36400, // Ceph
]);

interface Watched {
  readonly watcher: FSWatcher;
  /** Of the folder that is watched, which may have been replaced by another of the same name. */
  readonly identity: string;
  names: ReadonlySet<string>;
}

/**
 * Tells that files may have changed: edits in place and by rename, deletions, swapped links, folders that are removed and made again.
 * It tells too often rather than too seldom; whether anything changed is seen by reading.
 */
export class Watcher {
  readonly #onChange: () => void;
  readonly #onBlind: (folder: string) => void;
  readonly #watchedByFolder = new Map<string, Watched>();
  #targets: WatchTargets | null = null;
  #fingerprints: ReadonlyMap<string, string> = new Map();
  #arming: Promise<void> = Promise.resolve();
  #rearmTimer: NodeJS.Timeout | null = null;
  #pollTimer: NodeJS.Timeout | null = null;
  /** Some folder cannot be watched: then the poll is all there is. */
  #isBlind = false;
  #closed = false;

  /** @param onBlind told when a folder turns out to be one whose changes are only seen by looking, once until all can be watched again. */
  constructor(onChange: () => void, onBlind: (folder: string) => void = () => {}) {
    this.#onChange = onChange;
    this.#onBlind = onBlind;
  }

  /** Watches these instead of what was watched. Resolves when every change from now on is seen. */
  async watch(targets: WatchTargets): Promise<void> {
    this.#targets = targets;
    await this.#arm();
    const paths = await pathsOf(targets);
    const isNew = paths.some((path) => !this.#fingerprints.has(path));
    this.#pollLater(isNew ? FIRST_POLL_MS : this.#pollMs());
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of [this.#rearmTimer, this.#pollTimer]) if (timer !== null) clearTimeout(timer);
    await this.#arming;
    for (const { watcher } of this.#watchedByFolder.values()) watcher.close();
    this.#watchedByFolder.clear();
  }

  /** One at a time, so that two never open the same folder. */
  #arm(): Promise<void> {
    this.#arming = this.#arming.then(() => this.#armNow());
    return this.#arming;
  }

  async #armNow(): Promise<void> {
    if (this.#targets === null || this.#closed) return;
    const points = await watchPointsOf(await pathsOf(this.#targets));
    for (const [folder, { watcher }] of this.#watchedByFolder) {
      if (points.has(folder)) continue;
      watcher.close();
      this.#watchedByFolder.delete(folder);
    }
    const blind: string[] = [];
    for (const [folder, names] of points) if (!(await this.#watchFolder(folder, names))) blind.push(folder);
    const [first] = blind;
    if (first !== undefined && !this.#isBlind) this.#onBlind(first);
    this.#isBlind = first !== undefined;
  }

  /** False if changes in the folder will not be told. */
  async #watchFolder(folder: string, names: ReadonlySet<string>): Promise<boolean> {
    const identity = await identityOf(folder);
    const known = this.#watchedByFolder.get(folder);
    if (known?.identity === identity) known.names = names;
    else if (!this.#closed) this.#open(folder, names, identity);
    return this.#watchedByFolder.has(folder) && !(await isSilent(folder));
  }

  #open(folder: string, names: ReadonlySet<string>, identity: string): void {
    this.#watchedByFolder.get(folder)?.watcher.close();
    this.#watchedByFolder.delete(folder);
    try {
      const watcher = watch(folder, { persistent: false }, (_, name) => this.#onEvent(folder, name));
      // A folder that goes away is seen as an event; what else fails here is caught by the poll.
      watcher.on('error', () => this.#rearmLater());
      this.#watchedByFolder.set(folder, { watcher, identity, names });
    } catch {
      // No inotify watch is left, or the folder is gone again: the poll sees it.
    }
  }

  #onEvent(folder: string, name: string | null): void {
    if (this.#closed || !this.#isOfInterest(folder, name)) return;
    this.#rearmLater();
    this.#onChange();
  }

  #isOfInterest(folder: string, name: string | null): boolean {
    if (name === null || this.#watchedByFolder.get(folder)?.names.has(name) === true) return true;
    return folder === this.#targets?.policies && name.endsWith('.yaml') && !name.startsWith('.');
  }

  #rearmLater(): void {
    if (this.#rearmTimer !== null || this.#closed) return;
    this.#rearmTimer = setTimeout(() => {
      this.#rearmTimer = null;
      void this.#arm();
    }, REARM_MS).unref();
  }

  #pollMs(): number {
    return this.#isBlind ? POLL_MS : Math.max(POLL_MS, this.#fingerprints.size * POLL_MS_PER_PATH);
  }

  #pollLater(delayMs: number): void {
    if (this.#pollTimer !== null) clearTimeout(this.#pollTimer);
    if (this.#closed) return;
    this.#pollTimer = setTimeout(() => void this.#poll(), delayMs).unref();
  }

  async #poll(): Promise<void> {
    if (this.#targets === null) return;
    const before = this.#fingerprints;
    const now = await fingerprints(await pathsOf(this.#targets));
    if (this.#closed) return;
    this.#fingerprints = now;
    const isChanged = now.size !== before.size || [...now].some(([path, print]) => before.get(path) !== print);
    if (isChanged) {
      await this.#arm();
      this.#onChange();
    }
    this.#pollLater(this.#pollMs());
  }
}

async function fingerprints(paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const prints = new Map<string, string>();
  for (const path of paths) prints.set(path, await fingerprintOf(path));
  return prints;
}

async function identityOf(folder: string): Promise<string> {
  const stats = await stat(folder).catch(() => null);
  return stats === null ? '' : `${stats.dev}:${stats.ino}`;
}

const isSilent = async (folder: string): Promise<boolean> =>
  SILENT_FILE_SYSTEMS.has((await statfs(folder).catch(() => null))?.type ?? 0);
