import { setTimeout as delay } from 'node:timers/promises';
import { LoadError } from './load-thread.ts';

/** SEMANTICS.md 10: what changed is read once it has been quiet for this long and two readings agree. */
const QUIET_MS = 100;
/** Files that change without end must not hold a reload for ever; the next change asks again. */
const READINGS_MAX = 100;

export interface QuietOptions<T> {
  readonly read: () => Promise<T>;
  readonly isSame: (one: T, other: T) => boolean;
  /** What is in force: files that are as they were need no second look. */
  readonly known: T | null;
  /** `performance.now()` when a file was last seen to change. */
  readonly changedMs: () => number;
}

/**
 * Reads until nothing was written for a while and two readings agree: a half-written file is never in force. The first reading begins at
 * once, so that parsing is done by the time that it is quiet; the second finds the same texts and parses nothing.
 * @throws LoadError `STILL_CHANGING`
 */
export async function readQuiet<T>({ read, isSame, known, changedMs }: QuietOptions<T>): Promise<T> {
  let readMs = performance.now();
  let reading = await read();
  if (known !== null && isSame(reading, known)) return reading;
  for (let count = 1; count < READINGS_MAX; count++) {
    await untilQuiet(() => Math.max(readMs, changedMs()) + QUIET_MS);
    readMs = performance.now();
    const again = await read();
    if (isSame(reading, again)) return again;
    reading = again;
  }
  throw new LoadError('STILL_CHANGING');
}

/** Waits until that moment, which may move on meanwhile, but not without end. */
async function untilQuiet(moment: () => number): Promise<void> {
  for (let count = 0; count < READINGS_MAX; count++) {
    const leftMs = moment() - performance.now();
    if (leftMs <= 0) return;
    await delay(leftMs);
  }
}
