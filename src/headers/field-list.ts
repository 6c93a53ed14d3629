/**
 * The ordered list of fields of one message (RFC 9110 section 5): order, case and duplicates are kept as they came.
 * A list, never an object: a peer chooses the names.
 */
export interface Field {
  /** As it came, in the peer's case. */
  readonly name: string;
  /** `name` in lower case, made once when the head is parsed. */
  readonly lower: string;
  /** Without the white space around it (RFC 9112 section 5.1); bytes 0x80–0xFF as latin1. */
  readonly value: string;
  /** HTTP/2 only: the peer sent it as never to be indexed, and so it must go on (RFC 7541 section 7.1.3). */
  readonly sensitive?: true;
}
export type FieldList = readonly Field[];

export const field = (name: string, value: string): Field => ({ name, lower: name.toLowerCase(), value });

/** The same text without the larger one that it was cut from, which would be kept alive as long as it is. */
export const detached = (text: string): string => Buffer.from(text, 'latin1').toString('latin1');

/** The value of the first field of that lower-case name, or undefined. Use it only where a second one was ruled out. */
export function firstValue(list: FieldList, lower: string): string | undefined {
  for (const each of list) if (each.lower === lower) return each.value;
  return undefined;
}

/** How many field lines have that lower-case name. */
export function countOf(list: FieldList, lower: string): number {
  let count = 0;
  for (const each of list) if (each.lower === lower) count++;
  return count;
}

/** The list without any field of that lower-case name: no copy is left behind, everything else keeps its place. */
export const without = (list: FieldList, lower: string): FieldList => list.filter((each) => each.lower !== lower);

/** Whether a comma-separated field (all its lines) holds the token, in any case (RFC 9110 section 5.6.1). */
export function hasToken(list: FieldList, lower: string, token: string): boolean {
  for (const each of list) {
    if (each.lower !== lower) continue;
    if (each.value.toLowerCase() === token) return true;
    for (const part of each.value.split(',')) if (part.trim().toLowerCase() === token) return true;
  }
  return false;
}

/**
 * A lower-case name with `_` read as `-`. Servers that hand fields on as variables (CGI, WSGI, Rack, PHP) make one name of both, so
 * `x_api_key` can stand in for `x-api-key`.
 */
export const hyphened = (lower: string): string => (lower.includes('_') ? lower.replaceAll('_', '-') : lower);

/** Text as UTF-8 bytes in the spelling of field values, one latin1 character a byte (RFC 9110 section 5.5). */
export const fieldText = (text: string): string =>
  NOT_ASCII.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;

const NOT_ASCII = /[^\x00-\x7f]/;
