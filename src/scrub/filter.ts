import type { Needle } from './needle.ts';
import { Grams } from './spellings.ts';
import { WordTable } from './word-table.ts';

/**
 * The quick look. A spelling of the first units of a needle is so long that one aligned word of four bytes at every `stride` falls inside of
 * it. All the words that can are known, so a text is read a word at a time, and a bit in a small table tells almost every word apart.
 */
export class Filter {
  /** Bytes from one word looked at to the next. */
  readonly stride: number;
  readonly #bits: Int32Array;
  readonly #shift: number;
  readonly #words: WordTable;

  constructor(needles: readonly Needle[]) {
    const unitsMin = Math.min(...needles.map(({ units }) => units.length));
    this.stride = STRIDES.find((stride) => stride + 3 <= unitsMin) ?? 4;
    const units = this.stride + 3;
    const grams = needles.map((needle) => ({ needle, grams: new Grams(needle, units) }));
    this.#words = new WordTable(grams);
    this.#shift = 32 - Math.min(Math.max(Math.ceil(Math.log2(this.#words.count * 96)), 12), 18);
    this.#bits = new Int32Array(2 ** (32 - this.#shift - 5));
    for (const word of this.#words) {
      const bit = Math.imul(word, MIX) >>> this.#shift;
      this.#bits[bit >>> 5] = (this.#bits[bit >>> 5] ?? 0) | (1 << (bit & 31));
    }
  }

  /** The first place from `from` on among `words`, every `stride` bytes, that may stand in a needle; past the end if there is none. */
  next(words: Int32Array, from: number): number {
    const bits = this.#bits;
    const shift = this.#shift;
    const step = this.stride >> 2;
    const end = words.length;
    let at = from;
    // Four at a time, without a branch between them.
    for (; at + 3 * step < end; at += 4 * step) {
      const a = Math.imul(words[at] ?? 0, MIX) >>> shift;
      const b = Math.imul(words[at + step] ?? 0, MIX) >>> shift;
      const c = Math.imul(words[at + 2 * step] ?? 0, MIX) >>> shift;
      const d = Math.imul(words[at + 3 * step] ?? 0, MIX) >>> shift;
      // A shift takes the low five bits of its count.
      const any = ((bits[a >>> 5] ?? 0) >>> a) | ((bits[b >>> 5] ?? 0) >>> b) | ((bits[c >>> 5] ?? 0) >>> c);
      if (((any | ((bits[d >>> 5] ?? 0) >>> d)) & 1) !== 0) break;
    }
    for (; at < end; at += step) {
      const bit = Math.imul(words[at] ?? 0, MIX) >>> shift;
      if ((((bits[bit >>> 5] ?? 0) >>> bit) & 1) !== 0) return at;
    }
    return at;
  }

  /** Whether the word stands in a needle whose next units stand after it. */
  agrees(word: number, text: Uint8Array, at: number): boolean {
    return this.#words.agrees(word, text, at);
  }
}

/** The longer the shortest needle, the fewer words are looked at. */
const STRIDES = [16, 8, 4] as const;
/** Odd, and no bit of a word is lost on the upper ones (the golden ratio, Knuth 6.4). */
export const MIX = 0x9e3779b1;
