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
 * Few and short inputs that together reach every block: always the one that adds most, and of two the shorter. Where there would be too many, what
 * is left out adds least.
 * @param blocksOf the blocks that one input reaches.
 */
export function minimalCorpus(inputs: readonly Buffer[], blocksOf: (input: Buffer) => readonly string[]): Buffer[] {
  const left = new Map(inputs.map((input) => [input, new Set(blocksOf(input))]));
  const kept: Buffer[] = [];
  while (kept.length < CORPUS_FILES_MAX) {
    let best: Buffer | null = null;
    for (const [input, blocks] of left) if (blocks.size > 0 && isBetter(input, best, left)) best = input;
    if (best === null) return kept;
    const reached = left.get(best) ?? new Set();
    left.delete(best);
    kept.push(best);
    for (const blocks of left.values()) for (const block of reached) blocks.delete(block);
  }
  return kept;
}

function isBetter(input: Buffer, best: Buffer | null, left: ReadonlyMap<Buffer, ReadonlySet<string>>): boolean {
  if (best === null) return true;
  const more = (left.get(input)?.size ?? 0) - (left.get(best)?.size ?? 0);
  return more > 0 || (more === 0 && input.length < best.length);
}
