/**
 * Writes DER, the one encoding of ASN.1 that X.509 signs (ITU-T X.690 section 10): just the types that certificates and trust stores are made of.
 * Every function returns a whole element: tag, length, contents.
 */

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** X.690 8.1.3: lengths under 128 take one octet, longer ones a count of octets and then the length, without leading zeros. */
function lengthOctets(length: number): number[] {
  if (length < 0x80) return [length];
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return [0x80 | octets.length, ...octets];
}

/** One element with the tag octet given as it is on the wire. */
export function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const part of contents) length += part.length;
  return Buffer.concat([Uint8Array.from([tag, ...lengthOctets(length)]), ...contents]);
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => element(TAG.sequence, ...parts);

/** A SET OF: its members stand in the order of their encodings (X.690 11.6). */
export const setOf = (...members: readonly Uint8Array[]): Buffer =>
  element(TAG.set, ...[...members].sort(Buffer.compare));

export const boolean = (value: boolean): Buffer => element(TAG.boolean, Uint8Array.of(value ? 0xff : 0x00));

/** A non-negative INTEGER from its magnitude, most significant octet first. */
export function integer(magnitude: Uint8Array): Buffer {
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start += 1;
  const octets = magnitude.subarray(start);
  if (octets.length === 0) return element(TAG.integer, Uint8Array.of(0));
  // A leading one bit would make the number negative (X.690 8.3.3).
  const sign = (octets[0] ?? 0) >= 0x80 ? Uint8Array.of(0) : new Uint8Array(0);
  return element(TAG.integer, sign, octets);
}

export const octetString = (bytes: Uint8Array): Buffer => element(TAG.octetString, bytes);

export const bitString = (bytes: Uint8Array): Buffer => element(TAG.bitString, Uint8Array.of(0), bytes);

/** A BIT STRING of named bits: bit 0 is the first; trailing zero bits are left out (X.690 11.2.2). Up to 8 bits. */
export function namedBits(...bits: readonly number[]): Buffer {
  let octet = 0;
  for (const bit of bits) octet |= 0x80 >> bit;
  const unused = octet === 0 ? 0 : 7 - Math.max(...bits);
  return element(TAG.bitString, octet === 0 ? Uint8Array.of(0) : Uint8Array.of(unused, octet));
}

export const nullValue = (): Buffer => element(TAG.null);

export const utf8String = (text: string): Buffer => element(TAG.utf8String, Buffer.from(text, 'utf8'));

/** Text in UTF-16, most significant octet first, as PKCS#12 wants names. */
export const bmpString = (text: string): Buffer => element(TAG.bmpString, Buffer.from(text, 'utf16le').swap16());

/** An OBJECT IDENTIFIER from its dotted form, e.g. `2.5.29.17`. */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const octets = [first * 40 + second, ...rest].flatMap(base128);
  return element(TAG.objectIdentifier, Uint8Array.from(octets));
}

function base128(arc: number): number[] {
  const octets = [arc % 128];
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) octets.unshift((rest % 128) | 0x80);
  return octets;
}

/**
 * A Time of RFC 5280 4.1.2.5: UTCTime through the year 2049, GeneralizedTime from 2050 on, both to the second and in UTC.
 * @param timeMs milliseconds since 1970
 */
export function time(timeMs: number): Buffer {
  const digits = `${new Date(timeMs).toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
  return Number(digits.slice(0, 4)) < 2050
    ? element(TAG.utcTime, Buffer.from(digits.slice(2), 'latin1'))
    : element(TAG.generalizedTime, Buffer.from(digits, 'latin1'));
}

/** A context-specific element that holds another whole one, as EXPLICIT tagging does. */
export const explicit = (number: number, inner: Uint8Array): Buffer => element(0xa0 | number, inner);

/** A context-specific element with its own contents, as IMPLICIT tagging of a primitive type does. */
export const implicit = (number: number, contents: Uint8Array): Buffer => element(0x80 | number, contents);
