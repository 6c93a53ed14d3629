/** The byte in the place of every byte of a secret: `*`. */
const MASK = 0x2a;

export interface Masked {
  /** How many secrets began in the bytes, those that overlap counted as one. */
  readonly count: number;
  /** How many bytes after these belong to the last one. */
  readonly coveredBytes: number;
}

/**
 * Masks in place what was found: pairs of where a secret begins and ends, in order of the beginnings. The first `coveredBytes` bytes belong to
 * one that began before them.
 */
export function maskAll(bytes: Buffer, found: readonly number[], coveredBytes = 0): Masked {
  let count = 0;
  let covered = coveredBytes;
  bytes.fill(MASK, 0, Math.min(covered, bytes.length));
  for (let index = 0; index < found.length; index += 2) {
    const start = found[index] ?? 0;
    const end = found[index + 1] ?? 0;
    if (start >= covered) count++;
    if (end <= covered) continue;
    bytes.fill(MASK, Math.min(Math.max(start, covered), bytes.length), Math.min(end, bytes.length));
    covered = end;
  }
  return { count, coveredBytes: Math.max(0, covered - bytes.length) };
}
