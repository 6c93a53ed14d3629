import { inspect } from 'node:util';
import { isPiece, openingPiece } from './edges.ts';
import { Filter, MIX } from './filter.ts';
import { formsOf, piecesOf, SCRUB_BYTES_MIN } from './forms.ts';
import { DIFFERS, ENDS, type Needle, walk } from './needle.ts';
import { Grams } from './spellings.ts';

/**
 * The secrets to look for, in every form, ready for the search. Made once for a host, policy and generation. It holds values: it prints as
 * `[needles]` wherever it is printed.
 */
export class Needles {
  readonly #forms: readonly Needle[];
  readonly #bytesMin: number;
  readonly #filter: Filter;
  /** Which four bytes a spelling can begin with: a bit of those that mix alike. */
  readonly #openings = new Int32Array(2 ** (OPENING_BITS - 5));
  readonly #byFirstByte: (readonly Needle[] | undefined)[];

  constructor(forms: readonly Needle[]) {
    this.#forms = forms;
    this.#bytesMin = Math.min(...forms.map(({ units }) => units.length));
    this.#filter = new Filter(forms);
    const byFirstByte = new Map<number, Needle[]>();
    for (const needle of forms) {
      const grams = new Grams(needle, SCRUB_BYTES_MIN);
      for (const text of grams.from(0, 1)) {
        const byte = text.charCodeAt(0);
        byFirstByte.set(byte, [...(byFirstByte.get(byte) ?? []), needle]);
      }
      for (const text of grams.from(0, 4)) this.#addOpening(Buffer.from(text, 'latin1'));
    }
    this.#byFirstByte = Array.from({ length: 256 }, (_none, byte) => byFirstByte.get(byte));
  }

  #addOpening(bytes: Uint8Array): void {
    const bit = openingBit(bytes, 0);
    this.#openings[bit >>> 5] = (this.#openings[bit >>> 5] ?? 0) | (1 << (bit & 31));
  }

  /** A text with fewer bytes holds none of them. */
  get bytesMin(): number {
    return this.#bytesMin;
  }

  /**
   * Finds every spelling of a secret in the text and adds where each begins and ends to `found`, in order of the beginnings. Answers where
   * the first one begins that the end of the text cuts off; the length of the text if none does. From there on nothing was looked for.
   */
  search(text: Uint8Array, found: number[]): number {
    if (text.length < QUICK_BYTES_MIN) return this.#look(text, 0, text.length, found);
    const filter = this.#filter;
    const lead = -text.byteOffset & 3;
    const words = new Int32Array(text.buffer, text.byteOffset + lead, (text.length - lead) >> 2);
    let looked = 0;
    for (
      let index = filter.next(words, 0);
      index < words.length;
      index = filter.next(words, index + (filter.stride >> 2))
    ) {
      const at = lead + index * 4;
      if (!filter.agrees(words[index] ?? 0, text, at)) continue;
      // A spelling that began sooner had a word before this one, too.
      const cut = this.#look(text, Math.max(looked, at - filter.stride + 1), at + 1, found);
      if (cut <= at) return cut;
      looked = at + 1;
    }
    // What is cut off sooner has a word in it that was looked at.
    return this.#look(text, Math.max(looked, text.length - filter.stride - 3), text.length, found);
  }

  /** Compares every needle at every place. Answers as `search` does; `to` if nothing that begins before it is cut off. */
  #look(text: Uint8Array, from: number, to: number, found: number[]): number {
    const last = text.length - 4;
    for (let at = from; at < to; at++) {
      if (at <= last) {
        const bit = openingBit(text, at);
        if ((((this.#openings[bit >>> 5] ?? 0) >>> bit) & 1) === 0) continue;
      }
      const needles = this.#byFirstByte[text[at] ?? 0];
      if (needles === undefined) continue;
      const end = longest(needles, text, at);
      if (end === ENDS) return at;
      if (end !== DIFFERS) found.push(at, end);
    }
    return to;
  }

  /** Where the end of a secret stops that a part begins with; 0 if there is none, UNDECIDED if more of it must be seen. */
  openingPiece(text: Uint8Array, isOver: boolean): number {
    return openingPiece(this.#forms, text, isOver);
  }

  /** Finds those that begin at `from` or later in a text that is over. Of a part, the beginning of a secret at its end counts as one. */
  searchLast(text: Uint8Array, from: number, isPart: boolean, found: number[]): void {
    for (let at = from; at < text.length; at++) {
      let end = DIFFERS;
      for (const needle of this.#byFirstByte[text[at] ?? 0] ?? []) {
        const place = walk(needle, 0, needle.units.length, text, at);
        end = Math.max(end, place);
        if (place === ENDS && isPart && isPiece(needle, 0, text, at)) end = text.length;
      }
      if (end !== DIFFERS) found.push(at, end);
    }
  }

  toString(): string {
    return '[needles]';
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

const OPENING_BITS = 15;

function openingBit(text: Uint8Array, at: number): number {
  const low = (text[at] ?? 0) | ((text[at + 1] ?? 0) << 8);
  const word = low | ((text[at + 2] ?? 0) << 16) | ((text[at + 3] ?? 0) << 24);
  return Math.imul(word, MIX) >>> (32 - OPENING_BITS);
}

/** To set up the quick look costs as much as to look closely at so many bytes. */
const QUICK_BYTES_MIN = 96;

/** Where the longest of the needles ends that stand at the place; ENDS if the text ends in one of them; DIFFERS. */
function longest(needles: readonly Needle[], text: Uint8Array, at: number): number {
  let end = DIFFERS;
  for (const needle of needles) {
    const place = walk(needle, 0, needle.units.length, text, at);
    if (place === ENDS) return ENDS;
    if (place > end) end = place;
  }
  return end;
}

/**
 * Needles for these values; null if there is nothing to look for. Values under SCRUB_BYTES_MIN bytes are refused at load and left out.
 * `pieces` finds every piece of eight bytes wherever it stands, as `multipart/byteranges` (RFC 9110 section 14.6) can cut a secret many
 * times. Common words of a value (`https://` in a key file) are masked with it, so it is for nothing else.
 */
export function needlesOf(values: readonly string[], extent: 'whole' | 'pieces' = 'whole'): Needles | null {
  const long = values.filter((value) => Buffer.byteLength(value, 'utf8') >= SCRUB_BYTES_MIN);
  if (long.length === 0) return null;
  const forms = formsOf(long);
  return new Needles(extent === 'pieces' ? piecesOf(forms) : forms);
}
