import { detached } from '../headers/field-list.ts';

/**
 * Lexical rules of RFC 9110 section 5.6 and RFC 9112, over text of one character a byte.
 */

/** What a reader answers when the bytes are not a message that every reader would read the same way. */
export interface Refused {
  readonly kind: 'refused';
  readonly verdict: 'invalid' | 'too-large' | 'ambiguous' | 'framing' | 'target' | 'timeout';
  /** One sentence of ours; never the peer's bytes. */
  readonly why: string;
}

export const refused = (verdict: Refused['verdict'], why: string): Refused => ({ kind: 'refused', verdict, why });

/** RFC 9110 section 5.6.2: token = 1*tchar. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
export const isToken = (text: string): boolean => TOKEN.test(text);

/**
 * RFC 9110 section 5.5: a field value has VCHAR, obs-text, SP and HTAB. A bare CR or LF, NUL and the other controls end a
 * line for one reader and not for another (RFC 9112 section 2.2).
 */
export const STRAY_CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/** RFC 9112 section 3.2: a request target has no white space, control or raw 8-bit character. */
const TARGET = /^[\x21-\x7e]+$/;
export const isTargetText = (text: string): boolean => TARGET.test(text);

const NAMES_KEPT = 1_000;
const lowerByName = new Map<string, string>();

/**
 * The lower-case form of a field name, or null if it is no token (a space before the colon included, RFC 9112 section 5.1).
 * The names that clients really send are few, so each is checked and lowered once; a bound keeps an invented name from growing the map.
 */
export function fieldNameOf(name: string): string | null {
  const known = lowerByName.get(name);
  if (known !== undefined) return known;
  if (!isToken(name)) return null;
  const lower = detached(name.toLowerCase());
  if (lowerByName.size < NAMES_KEPT) lowerByName.set(detached(name), lower);
  return lower;
}

/** Without the SP and HTAB around it (OWS, RFC 9110 section 5.6.3); not `trim`, which also takes other white space. */
export function trimOws(text: string, start: number, end: number): string {
  let from = start;
  let to = end;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;
