import { isDeepStrictEqual } from 'node:util';

/**
 * One thing to be fuzzed. A file in `fuzz/targets/` exports one as `target`; there is no other list. `check` states what must hold of every input
 * and throws where it does not: that nothing throws is never all.
 */
export interface Target {
  /** The name of its file. */
  readonly name: string;
  /** Inputs to begin with, besides `fuzz/corpus/NAME/`. */
  readonly seeds: readonly (Buffer | string)[];
  readonly dictionary: readonly string[];
  readonly bytesMax: number;
  /** Inputs between two looks at the coverage: 400 where nothing is said, fewer where one takes long. */
  readonly batchInputs?: number;
  /** Throws if the input shows a mistake. Leaves nothing behind that changes the next call. */
  check(input: Buffer): void;
}

/** What `check` throws, so that a finding says which promise was broken. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/** Throws unless the promise holds. */
export function holds(promise: string, held: boolean): void {
  if (!held) throw new Violation(promise);
}

/** Throws, showing both, unless the two are equal in every part. */
export function same(promise: string, actual: unknown, expected: unknown): void {
  if (actual === expected || isDeepStrictEqual(actual, expected)) return;
  throw new Violation(`${promise}\n   is: ${shown(actual)}\n  not: ${shown(expected)}`);
}

const shown = (value: unknown): string => JSON.stringify(value, null, 0) ?? String(value);
