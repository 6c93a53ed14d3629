import { DIFFERS, type Needle, walk } from './needle.ts';
import { type Gram, Grams, spellingsOf } from './spellings.ts';

/**
 * The quick look. A spelling of the first units of a needle is so long that one aligned word of four bytes at every `stride` falls inside of
 * it. All the words that can are known, so a text is read a word at a time, and a bit in a small table tells almost every word apart.
 */
export class Filter {
  /** Bytes from one word looked at to the next. */
  readonly stride: number;
  /** A spelling begins at most this many bytes before a word that is found in it. */
  readonly backBytes: number;
  readonly #bits: Int32Array;
  readonly #shift: number;
  readonly #words: WordTable;

  constructor(needles: readonly Needle[]) {
    const unitsMin = Math.min(...needles.map(({ units }) => units.length));
    this.stride = STRIDES.find((stride) => stride + 3 <= unitsMin) ?? 4;
    const units = this.stride + 3;
    this.backBytes = Math.max(...needles.map((needle) => longestBytes(needle, units)));
    const grams = needles.map((needle) => ({ needle, grams: [...new Grams(needle, units).all(4)] }));
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
const MIX = 0x9e3779b1;

function longestBytes(needle: Needle, units: number): number {
  let bytes = 0;
  for (let unit = 0; unit < units; unit++) {
    bytes += Math.max(...spellingsOf(needle, unit).map(({ text }) => text.length));
  }
  return bytes;
}

/** A place in a needle at which a word can stand. */
interface Place {
  readonly needle: Needle;
  readonly unit: number;
  readonly ahead: number;
}

/** The words exactly, each with the places it can stand at: open addressing, as a Map would box every number. */
class WordTable {
  readonly count: number;
  readonly #mask: number;
  readonly #keys: Int32Array;
  /** One more than the index in `#places`; 0 for a free slot. */
  readonly #slots: Int32Array;
  /** The places of each word; EVERYWHERE for those of `\u00` and the like, of which nothing is learned. */
  readonly #places: (readonly Place[])[] = [];

  constructor(needles: readonly { readonly needle: Needle; readonly grams: readonly Gram[] }[]) {
    const byWord = placesByWord(needles);
    this.count = byWord.size;
    this.#mask = 2 ** Math.ceil(Math.log2(byWord.size * 2)) - 1;
    this.#keys = new Int32Array(this.#mask + 1);
    this.#slots = new Int32Array(this.#mask + 1);
    for (const [word, places] of byWord) this.#add(word, places);
  }

  #add(word: number, places: readonly Place[]): void {
    let slot = (Math.imul(word, MIX_AGAIN) >>> 8) & this.#mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask;
    this.#keys[slot] = word;
    this.#slots[slot] = this.#places.push(places.length > PLACES_MAX ? EVERYWHERE : places);
  }

  agrees(word: number, text: Uint8Array, at: number): boolean {
    let slot = (Math.imul(word, MIX_AGAIN) >>> 8) & this.#mask;
    for (; ; slot = (slot + 1) & this.#mask) {
      const index = this.#slots[slot] ?? 0;
      if (index === 0) return false;
      if (this.#keys[slot] === word) return stands(this.#places[index - 1] ?? EVERYWHERE, text, at);
    }
  }

  *[Symbol.iterator](): Generator<number> {
    for (let slot = 0; slot <= this.#mask; slot++) if (this.#slots[slot] !== 0) yield this.#keys[slot] ?? 0;
  }
}

const MIX_AGAIN = 0x85ebca6b;
const PLACES_MAX = 16;
const EVERYWHERE: readonly Place[] = [];
/** So many units after a word tell chance from a needle; the whole is compared from its beginning. */
const AHEAD_UNITS = 8;

function stands(places: readonly Place[], text: Uint8Array, at: number): boolean {
  if (places === EVERYWHERE) return true;
  for (const { needle, unit, ahead } of places) {
    const to = Math.min(unit + AHEAD_UNITS, needle.units.length);
    if (walk(needle, unit, to, text, at + ahead) !== DIFFERS) return true;
  }
  return false;
}

function placesByWord(
  needles: readonly { readonly needle: Needle; readonly grams: readonly Gram[] }[],
): ReadonlyMap<number, readonly Place[]> {
  const byWord = new Map<number, Map<string, Place>>();
  for (const [index, { needle, grams }] of needles.entries()) {
    for (const { text, unit, ahead } of grams) {
      const word = wordOf(text);
      const places = byWord.get(word) ?? new Map<string, Place>();
      byWord.set(word, places.set(`${index} ${unit} ${ahead}`, { needle, unit, ahead }));
    }
  }
  return new Map([...byWord].map(([word, places]) => [word, [...places.values()]]));
}

/** Four bytes as this machine reads them. */
function wordOf(text: string): number {
  WORD_BYTES.write(text, 'latin1');
  return WORD[0] ?? 0;
}

const WORD = new Int32Array(1);
const WORD_BYTES = Buffer.from(WORD.buffer);
