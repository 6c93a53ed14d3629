/**
 * Percent-encoding of what we put into a target, and the reading of what a client put there. Reading works on bytes (latin1) and never
 * fails: a broken escape stands for itself.
 */

const ESCAPE = /%([0-9A-Fa-f]{2})/g;
/** What `encodeURIComponent` leaves although RFC 3986 section 2.2 reserves it. */
const LEFT_OVER = /[!'()*]/g;

/** Text with everything escaped that is not unreserved (RFC 3986 section 2.3): it cannot end the segment or parameter it stands in. */
export const percentEncoded = (text: string): string =>
  encodeURIComponent(text.toWellFormed()).replaceAll(
    LEFT_OVER,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );

/** The bytes of a form-encoded name, in latin1: `+` is a space, escapes are bytes. */
export function formBytes(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  return spaced.includes('%') ? spaced.replaceAll(ESCAPE, (_escape, hex: string) => charOf(hex)) : spaced;
}

/** A text with the escapes of letters, digits, `-` and `_` decoded, and where each of its characters came from. */
export interface Spelled {
  readonly plain: string;
  /** The place in the original of the character at this place of `plain`; of its end, the end of the original. */
  originOf(index: number): number;
}

/** Reads a text so that a placeholder is found however its characters are escaped (they are all unreserved). */
export function spelled(text: string): Spelled {
  // No usual encoder escapes these, so almost every text ends here.
  if (!TOKEN_ESCAPE.test(text)) return { plain: text, originOf: (index) => index };
  let plain = '';
  const origins: number[] = [];
  for (let index = 0; index < text.length; index++) {
    const escaped = text[index] === '%' ? TOKEN_ESCAPE.exec(text.slice(index, index + 3)) : null;
    plain += escaped === null ? text[index] : charOf(escaped[1] ?? '');
    origins.push(index);
    if (escaped !== null) index += 2;
  }
  return { plain, originOf: (index) => origins[index] ?? text.length };
}

/** `%XX` of a digit, a letter, `-` or `_`. */
const TOKEN_ESCAPE = /%(3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|2[Dd]|5[Ff])/;

const charOf = (hex: string): string => String.fromCharCode(Number.parseInt(hex, 16));
