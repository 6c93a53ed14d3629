import { ENDS, type Needle, walk } from './needle.ts';

/**
 * The edges of a part of a resource (206, RFC 9110 section 15.3.7), which can cut a secret in two: the client chooses where. A piece of eight
 * bytes and more is masked (SEMANTICS.md 8).
 */
export const PIECE_UNITS_MIN = 8;

/** Whether the needle begins at the place, the text cuts it off, and the piece is long enough. */
export const isPiece = (needle: Needle, from: number, text: Uint8Array, at: number): boolean =>
  from + PIECE_UNITS_MIN <= needle.units.length &&
  walk(needle, from, from + PIECE_UNITS_MIN, text, at) >= 0 &&
  walk(needle, from, needle.units.length, text, at) === ENDS;

/** Where the end of a needle stops that the text begins with: 0 if there is none, UNDECIDED if more of the text must be seen. */
export function openingPiece(needles: readonly Needle[], text: Uint8Array, isOver: boolean): number {
  const rest = restBytes(text);
  // A piece can begin right after them.
  if (rest === text.length && !isOver) return UNDECIDED;
  let end = 0;
  for (let at = 0; at <= rest && at < text.length; at++) {
    for (const needle of needles) {
      const piece = pieceEnd(needle, text, at, isOver);
      if (piece === UNDECIDED) return UNDECIDED;
      if (piece > end) end = piece;
    }
  }
  return end;
}

export const UNDECIDED = -1;

function pieceEnd(needle: Needle, text: Uint8Array, at: number, isOver: boolean): number {
  let end = 0;
  const { length } = needle.units;
  for (let unit = 1; unit + PIECE_UNITS_MIN <= length; unit++) {
    const place = walk(needle, unit, length, text, at);
    if (place === ENDS && !isOver) return UNDECIDED;
    if (place > end) end = place;
    // Both edges at once.
    if (place === ENDS && isPiece(needle, unit, text, at)) return text.length;
  }
  return end;
}

/** The part can begin within an escape: how many bytes can be the rest of one (`\u0041` without the first). */
function restBytes(text: Uint8Array): number {
  let bytes = 0;
  while (bytes < REST_BYTES_MAX && REST.has(text[bytes] ?? 0)) bytes++;
  return bytes;
}

/** Of the longest spelling, a character beyond the first plane in JSON within JSON, without its first byte. */
const REST_BYTES_MAX = 15;
const REST: ReadonlySet<number> = new Set(Buffer.from('0123456789abcdefABCDEFu\\%"/nrt', 'latin1'));
