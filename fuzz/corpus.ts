import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A few dozen small files a target: each reaches something that the others do not. */
export const CORPUS_FILES_MAX = 48;

/** The kept inputs of a target, in the order of their names; empty if there is no such folder. */
export function readCorpus(folder: string): readonly Buffer[] {
  try {
    return readdirSync(folder)
      .sort()
      .map((name) => readFileSync(join(folder, name)));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

/** Makes a folder hold exactly these inputs. */
export function writeCorpus(folder: string, inputs: readonly Buffer[]): void {
  mkdirSync(folder, { recursive: true });
  const wanted = new Map(inputs.map((input) => [nameOf(input), input]));
  for (const name of readdirSync(folder)) if (!wanted.has(name)) rmSync(join(folder, name));
  for (const [name, input] of wanted) writeFileSync(join(folder, name), input);
}

/** Inputs are named by their content, so that the same one is kept once. */
export const nameOf = (input: Buffer): string => createHash('sha256').update(input).digest('hex').slice(0, 12);

/**
 * The fewest and shortest of these inputs that together reach every block (greedy, shortest first).
 * @param blocksOf the blocks that one input reaches.
 */
export function minimalCorpus(inputs: readonly Buffer[], blocksOf: (input: Buffer) => readonly string[]): Buffer[] {
  const reached = new Set<string>();
  const kept: Buffer[] = [];
  for (const input of inputs.toSorted((one, other) => one.length - other.length)) {
    const fresh = blocksOf(input).filter((block) => !reached.has(block));
    if (fresh.length === 0 || kept.length === CORPUS_FILES_MAX) continue;
    for (const block of fresh) reached.add(block);
    kept.push(input);
  }
  return kept;
}
