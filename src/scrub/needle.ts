/**
 * One secret in one form, and the comparison of a text with it. A form is a list of units (bytes of the secret, base64 characters, hex
 * digits). A unit may be spelled in several ways (an `a` as `a`, `%61`, `\u0061`, …), each unit in its own, so that an encoder is
 * found whichever characters it escapes. Which spelling stands in a text is told by its first byte: no comparison goes back.
 */

export type Kind = 'text' | 'base64' | 'hex';

export interface Needle {
  readonly kind: Kind;
  /** UTF-8 bytes of the value, or characters of its base64 or lower-case hex form. */
  readonly units: Uint8Array;
  /** The byte that is the unit written plainly; NONE where the unit cannot be. */
  readonly plain: Int16Array;
  /** How many `25` stand between `%` and the digits of an escaped `%`: 0 for `%25`. NEVER when a `%` stands for itself. */
  readonly percentDepth: number;
  /** How many `\` are one `\` of the value: 1 as it is, 2 in JSON, 4 in JSON within JSON. */
  readonly slashes: number;
}

export const NONE = -1;
export const NEVER = -1;
/** JSON within JSON writes `\\\"`: an escape begins with at most this many backslashes. */
export const SLASHES_MAX = 3;

/** What `walk` answers when the text differs, and when it ends too soon to tell. */
export const DIFFERS = -1;
export const ENDS = -2;

const SLASH = 0x5c;
const PERCENT = 0x25;

/**
 * Compares the units `from` to `to` with the text that begins at `at`. Answers where in the text the last one ends, DIFFERS, or ENDS when
 * the text is over and everything until there agreed.
 */
export function walk(needle: Needle, from: number, to: number, text: Uint8Array, at: number): number {
  const { plain } = needle;
  const end = text.length;
  let place = at;
  for (let unit = from; unit < to; unit++) {
    if (place >= end) return ENDS;
    const byte = text[place] ?? NONE;
    if (byte === plain[unit]) {
      place++;
      continue;
    }
    const bytes = escapeBytes(needle, unit, text, place);
    if (bytes < 0) return bytes;
    // `\u` writes a whole character; every other spelling writes one byte.
    if (byte === SLASH && needle.kind === 'text') unit += characterBytes(needle.units, unit) - 1;
    place += bytes;
  }
  return place;
}

/** How many bytes of the text are the unit, not written plainly; or DIFFERS or ENDS. */
function escapeBytes(needle: Needle, unit: number, text: Uint8Array, at: number): number {
  const value = needle.units[unit] ?? 0;
  const byte = text[at] ?? NONE;
  switch (needle.kind) {
    case 'hex':
      return value >= 0x61 && byte === value - 0x20 ? 1 : DIFFERS;
    case 'base64':
      if (value !== PLUS && value !== SOLIDUS) return DIFFERS;
      if (byte === (value === PLUS ? HYPHEN : LOW_LINE)) return 1;
      break;
    case 'text':
      if (byte === PLUS && value === SPACE) return 1;
      break;
  }
  if (byte === PERCENT) return percentBytes(needle, value, text, at);
  return byte === SLASH ? slashBytes(needle, unit, text, at) : DIFFERS;
}

const SPACE = 0x20;
const PLUS = 0x2b;
const HYPHEN = 0x2d;
const SOLIDUS = 0x2f;
const LOW_LINE = 0x5f;

/** `%61`, `%2561` when it was escaped twice. */
function percentBytes(needle: Needle, value: number, text: Uint8Array, at: number): number {
  if (value === PERCENT) {
    const pairs = needle.percentDepth + 1;
    return needle.percentDepth === NEVER ? DIFFERS : fixed(PERCENT_TAIL, pairs * 2, text, at + 1, 1);
  }
  const once = hexBytes(value, 2, text, at + 1);
  if (once > 0) return 1 + once;
  const escaped = fixed(PERCENT_TAIL, 2, text, at + 1, 0);
  if (escaped < 0) return once === ENDS ? ENDS : escaped;
  const twice = hexBytes(value, 2, text, at + 3);
  return twice > 0 ? 3 + twice : twice;
}

const PERCENT_TAIL = [0x32, 0x35, 0x32, 0x35] as const;

/** Whether the text has the first `count` of these bytes; then their number and `more`. */
function fixed(bytes: readonly number[], count: number, text: Uint8Array, at: number, more: number): number {
  for (let index = 0; index < count; index++) {
    if (at + index >= text.length) return ENDS;
    if (text[at + index] !== bytes[index]) return DIFFERS;
  }
  return count + more;
}

/** RFC 8259 section 7, once or within another JSON text: `\/`, `\u002f`, `\\\/`, `\\u002f`. */
function slashBytes(needle: Needle, unit: number, text: Uint8Array, at: number): number {
  const value = needle.units[unit] ?? 0;
  let run = 1;
  const runMax = value === SLASH ? Math.max(needle.slashes, SLASHES_MAX) : SLASHES_MAX;
  while (run < runMax && text[at + run] === SLASH) run++;
  if (value === SLASH && run >= needle.slashes && needle.slashes > 1) return needle.slashes;
  if (at + run >= text.length) return ENDS;
  if (text[at + run] === SMALL_U) {
    const code = codePointAt(needle.units, unit);
    const digits = code < 0x10000 ? hexBytes(code, 4, text, at + run + 1) : pairBytes(code, run, text, at + run + 1);
    return digits < 0 ? digits : run + 1 + digits;
  }
  return text[at + run] === shortEscape(value) ? run + 1 : DIFFERS;
}

const SMALL_U = 0x75;

/** The digits after `\u` of a character beyond the first plane, which is two escapes alike (RFC 8259 section 7). */
function pairBytes(code: number, slashes: number, text: Uint8Array, at: number): number {
  const high = hexBytes(0xd800 + ((code - 0x10000) >> 10), 4, text, at);
  if (high < 0) return high;
  let place = at + high;
  for (const last = place + slashes; place < last; place++) if (text[place] !== SLASH) return missing(text, place);
  if (text[place] !== SMALL_U) return missing(text, place);
  const low = hexBytes(0xdc00 + (code & 0x3ff), 4, text, place + 1);
  return low < 0 ? low : place + 1 + low - at;
}

const missing = (text: Uint8Array, place: number): number => (place >= text.length ? ENDS : DIFFERS);

/** Whether the text goes on with that number in hex, in any case; then its digits. */
function hexBytes(value: number, digits: number, text: Uint8Array, at: number): number {
  if (value < 0) return DIFFERS;
  for (let index = 0; index < digits; index++) {
    const byte = text[at + index];
    if (byte === undefined) return ENDS;
    const digit = (value >> (4 * (digits - 1 - index))) & 15;
    if (digit < 10 ? byte !== 0x30 + digit : (byte | 0x20) !== 0x57 + digit) return DIFFERS;
  }
  return digits;
}

/** The letter after the backslash of a short escape (RFC 8259 section 7); NONE if the byte has none. */
export function shortEscape(value: number): number {
  return SHORT_ESCAPES[value] ?? NONE;
}

const SHORT_ESCAPES: Readonly<Record<number, number>> = {
  34: 34, // "
  47: 47, // /
  8: 0x62, // b
  12: 0x66, // f
  10: 0x6e, // n
  13: 0x72, // r
  9: 0x74, // t
};

/** How many bytes of UTF-8 the character has that begins with this unit; 1 inside of one. */
export function characterBytes(units: Uint8Array, unit: number): number {
  const lead = units[unit] ?? 0;
  return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/** The character that begins with this unit, or NONE inside of one. */
export function codePointAt(units: Uint8Array, unit: number): number {
  const lead = units[unit] ?? 0;
  if (lead < 0x80) return lead;
  const bytes = characterBytes(units, unit);
  if (bytes === 1) return NONE;
  let code = lead & (0xff >> (bytes + 1));
  for (let index = 1; index < bytes; index++) code = (code << 6) | ((units[unit + index] ?? 0) & 0x3f);
  return code;
}
