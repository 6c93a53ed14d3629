import { characterBytes, codePointAt, NEVER, type Needle, SLASHES_MAX, shortEscape } from './needle.ts';

/**
 * What `walk` accepts, written out: every run of a few bytes that can stand in a spelling of a needle, for the filter to look for. A test
 * holds the two against each other.
 */

/** The bytes (in latin1) that stand for the units before `next`. */
export interface Spelling {
  readonly text: string;
  readonly next: number;
}

/** Every way to write the unit. */
export function spellingsOf(needle: Needle, unit: number): Spelling[] {
  const value = needle.units[unit] ?? 0;
  const texts = needle.plain[unit] === value ? [String.fromCharCode(value)] : [];
  switch (needle.kind) {
    case 'hex':
      if (value >= 0x61) texts.push(String.fromCharCode(value - 0x20));
      break;
    case 'base64':
      if (value === 0x2b) texts.push('-', ...percentTexts(needle, value));
      if (value === 0x2f) texts.push('_', ...percentTexts(needle, value));
      break;
    case 'text':
      if (value === 0x20) texts.push('+');
      texts.push(...percentTexts(needle, value));
      break;
  }
  const spellings = texts.map((text) => ({ text, next: unit + 1 }));
  const escaped = needle.kind === 'text' || value === 0x2b || value === 0x2f;
  return escaped ? [...spellings, ...slashSpellings(needle, unit)] : spellings;
}

function percentTexts({ percentDepth }: Needle, value: number): string[] {
  if (value === 0x25) return percentDepth === NEVER ? [] : [`%${'25'.repeat(percentDepth + 1)}`];
  return hexTexts(value, 2).flatMap((digits) => [`%${digits}`, `%25${digits}`]);
}

function slashSpellings(needle: Needle, unit: number): Spelling[] {
  const value = needle.units[unit] ?? 0;
  const found: Spelling[] = [];
  if (value === 0x5c && needle.slashes > 1) found.push({ text: '\\'.repeat(needle.slashes), next: unit + 1 });
  // A `\` of the value that stands for itself was read before any escape.
  if (value === 0x5c && needle.slashes === 1) return found;
  const runMax = value === 0x5c ? needle.slashes - 1 : SLASHES_MAX;
  const code = codePointAt(needle.units, unit);
  for (let run = 1; run <= Math.min(runMax, SLASHES_MAX); run++) {
    const slashes = '\\'.repeat(run);
    const short = shortEscape(value);
    if (short >= 0) found.push({ text: slashes + String.fromCharCode(short), next: unit + 1 });
    if (code < 0) continue;
    const next = unit + characterBytes(needle.units, unit);
    for (const text of unicodeTexts(code, slashes)) found.push({ text, next });
  }
  return found;
}

function unicodeTexts(code: number, slashes: string): string[] {
  if (code < 0x10000) return hexTexts(code, 4).map((digits) => `${slashes}u${digits}`);
  const high = hexTexts(0xd800 + ((code - 0x10000) >> 10), 4);
  const low = hexTexts(0xdc00 + (code & 0x3ff), 4);
  // The second escape has as many backslashes as the first in any text that an encoder made.
  return high.flatMap((first) => low.map((second) => `${slashes}u${first}${slashes}u${second}`));
}

/** A number in hex with each of its letters in either case. */
function hexTexts(value: number, digits: number): readonly string[] {
  if (digits === 2) return BYTE_TEXTS[value] ?? [];
  const low = hexTexts(value & 0xff, 2);
  return hexTexts(value >> 8, digits - 2).flatMap((high) => low.map((text) => high + text));
}

const DIGIT_TEXTS = Array.from({ length: 16 }, (_none, digit) => [
  ...new Set([digit.toString(16), digit.toString(16).toUpperCase()]),
]);
const BYTE_TEXTS = Array.from({ length: 256 }, (_none, byte) =>
  (DIGIT_TEXTS[byte >> 4] ?? []).flatMap((high) => (DIGIT_TEXTS[byte & 15] ?? []).map((low) => high + low)),
);

/** A run of bytes that can stand in a spelling; the unit that begins next begins `ahead` bytes after the run's beginning. */
export interface Gram {
  readonly text: string;
  readonly unit: number;
  readonly ahead: number;
}

/** What can stand in a spelling of the units before `to`. */
export class Grams {
  readonly #spellings: readonly (readonly Spelling[])[];
  /** What was answered, by bytes and unit. */
  readonly #begun: Map<number, readonly string[]>[] = [];

  constructor(needle: Needle, to: number) {
    this.#spellings = Array.from({ length: to }, (_none, unit) => spellingsOf(needle, unit));
  }

  /** The first `bytes` bytes of every spelling that begins with the unit; those that are over sooner are left out. */
  from(unit: number, bytes: number): readonly string[] {
    if (bytes <= 0) return [''];
    const known = this.#begun[bytes]?.get(unit);
    if (known !== undefined) return known;
    const found = new Set<string>();
    for (const { text, next } of this.#spellings[unit] ?? []) {
      const head = text.slice(0, bytes);
      for (const rest of this.from(next, bytes - text.length)) found.add(head + rest);
    }
    const texts = [...found];
    this.#begun[bytes] = (this.#begun[bytes] ?? new Map<number, readonly string[]>()).set(unit, texts);
    return texts;
  }

  /** Every run of `bytes` bytes anywhere in the spellings, with each place at which it can stand. */
  *all(bytes: number): Generator<Gram> {
    for (const [unit, spellings] of this.#spellings.entries()) {
      for (const text of this.from(unit, bytes)) yield { text, unit, ahead: 0 };
      for (const { text: tail, next } of tailsOf(spellings)) {
        const head = tail.slice(0, bytes);
        for (const rest of this.from(next, bytes - tail.length))
          yield { text: head + rest, unit: next, ahead: tail.length };
      }
    }
  }
}

/** What is left of the spellings behind their first byte or a later one, each once. */
function tailsOf(spellings: readonly Spelling[]): Iterable<Spelling> {
  const tails = new Map<string, Spelling>();
  for (const { text, next } of spellings) {
    for (let skip = 1; skip < text.length; skip++) {
      const tail = text.slice(skip);
      tails.set(`${tail} ${next}`, { text: tail, next });
    }
  }
  return tails.values();
}
