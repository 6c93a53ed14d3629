import type { Field, FieldList } from '../headers/field-list.ts';
import type { HeadLimits } from '../http1/head.ts';
import { fieldNameOf, type Refused, refused, STRAY_CONTROL } from '../http1/syntax.ts';

/** A field section as `node:http2` gives and takes it: names and values in turn, one character a byte. */
export interface RawFields {
  readonly list: readonly string[];
  /** Names, in lower case, of fields that are never to be indexed. */
  readonly sensitive: readonly string[];
}

export interface ReadFields {
  readonly pseudo: readonly Field[];
  readonly fields: readonly Field[];
}

/** What RFC 9113 section 6.5.2 adds for each field when the size of a section is counted. */
const FIELD_OVERHEAD_BYTES = 32;

/** The pseudo-header fields and the others of a section, which came in this order (RFC 9113 section 8.3). */
export function readFields({ list, sensitive }: RawFields, limits: HeadLimits): ReadFields | Refused {
  const pseudo: Field[] = [];
  const fields: Field[] = [];
  let bytes = 0;
  for (let at = 0; at < list.length; at += 2) {
    const name = list[at] ?? '';
    const value = list[at + 1] ?? '';
    bytes += name.length + value.length + FIELD_OVERHEAD_BYTES;
    if (STRAY_CONTROL.test(value) || /[\r\n]/.test(value))
      return refused('invalid', 'a field value holds a control character');
    if (name.startsWith(':')) {
      if (fields.length > 0) return refused('invalid', 'a pseudo-header field comes after another field');
      pseudo.push({ name, lower: name, value });
      continue;
    }
    const lower = fieldNameOf(name);
    // RFC 9113 section 8.2.1: names are sent in lower case.
    if (lower !== name) return refused('invalid', 'a field name is not a token in lower case');
    fields.push(sensitive.includes(lower) ? { name, lower, value, sensitive: true } : { name, lower, value });
  }
  const isTooLarge = bytes > limits.headBytes || fields.length > limits.headFields;
  return isTooLarge ? refused('too-large', 'the head is larger than the limit') : { pseudo, fields };
}

/** A section to be sent. Names may be in any case: `node:http2` lowers them. */
export function rawFields(pseudo: readonly string[], fields: FieldList): RawFields {
  const list = [...pseudo];
  const sensitive: string[] = [];
  for (const each of fields) {
    list.push(each.lower, each.value);
    if (each.sensitive === true) sensitive.push(each.lower);
  }
  return { list, sensitive };
}

/** Bytes of a section before compression, without what RFC 9113 counts for each field. */
export function bytesOf({ list }: RawFields): number {
  let bytes = 0;
  for (const text of list) bytes += text.length;
  return bytes;
}

/** A trailer section (RFC 9113 section 8.1), which has no pseudo-header fields; null if it is not valid. */
export function readTrailers(raw: RawFields, limits: HeadLimits): FieldList | null {
  const read = readFields(raw, limits);
  return 'kind' in read || read.pseudo.length > 0 ? null : read.fields;
}
