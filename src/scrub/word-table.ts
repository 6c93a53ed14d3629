import { DIFFERS, type Needle, walk } from './needle.ts';
import type { Grams } from './spellings.ts';

/** A place in a needle at which a word can stand. */
interface Place {
  readonly needle: Needle;
  readonly unit: number;
  readonly ahead: number;
}

/** The words exactly, each with the places it can stand at: open addressing, as a Map would box every number. */
export class WordTable {
  readonly count: number;
  readonly #mask: number;
  readonly #keys: Int32Array;
  /** One more than the index in `#places`; 0 for a free slot. */
  readonly #slots: Int32Array;
  /** The places of each word; EVERYWHERE for those of `\u00` and the like, of which nothing is learned. */
  readonly #places: (readonly Place[])[] = [];

  constructor(needles: readonly Spelled[]) {
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
const PLACES_MAX = 4;
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

interface Spelled {
  readonly needle: Needle;
  readonly grams: Grams;
}

function placesByWord(needles: readonly Spelled[]): ReadonlyMap<number, readonly Place[]> {
  const byWord = new Map<number, Place[]>();
  for (const { needle, grams } of needles) {
    for (const { text, unit, ahead } of grams.all(4)) {
      const word = wordOf(text);
      const places = byWord.get(word) ?? [];
      if (places.length === 0) byWord.set(word, places);
      // One too many says EVERYWHERE, and more say no more.
      if (places.length <= PLACES_MAX && !holds(places, needle, unit, ahead)) places.push({ needle, unit, ahead });
    }
  }
  return byWord;
}

function holds(places: readonly Place[], needle: Needle, unit: number, ahead: number): boolean {
  for (const place of places) if (place.unit === unit && place.ahead === ahead && place.needle === needle) return true;
  return false;
}

/** Four bytes as this machine reads them. */
function wordOf(text: string): number {
  for (let index = 0; index < 4; index++) WORD_BYTES[index] = text.charCodeAt(index);
  return WORD[0] ?? 0;
}

const WORD = new Int32Array(1);
const WORD_BYTES = new Uint8Array(WORD.buffer);
