import { type IncomingHttpHeaders, type OutgoingHttpHeaders, sensitiveHeaders } from 'node:http2';
import type { FieldList } from '../headers/field-list.ts';
import type { RawFields } from '../http2/raw-fields.ts';

const NONE: readonly string[] = [];

/** A section as an event of `node:http2` brings it: the list is exact, and the object beside it knows what must never be indexed. */
export function rawOf(list: readonly string[], headers: IncomingHttpHeaders): RawFields {
  const names: unknown = Reflect.get(headers, sensitiveHeaders);
  return { list, sensitive: Array.isArray(names) ? names : NONE };
}

/** A section for `respond` and `request`, which take lists. */
export function listOf({ list, sensitive }: RawFields): string[] {
  const own = [...list];
  if (sensitive.length > 0) Reflect.set(own, sensitiveHeaders, sensitive);
  return own;
}

/** A section for `additionalHeaders` and `sendTrailers`, which take objects only; repeated names become lists. */
export function headersObject(fields: FieldList, status?: number): OutgoingHttpHeaders {
  const object: OutgoingHttpHeaders = Object.create(null);
  if (status !== undefined) object[':status'] = String(status);
  for (const { lower, value } of fields) {
    const values = object[lower];
    if (Array.isArray(values)) values.push(value);
    else object[lower] = [value];
  }
  const sensitive = fields.filter((each) => each.sensitive === true).map(({ lower }) => lower);
  if (sensitive.length > 0) Reflect.set(object, sensitiveHeaders, sensitive);
  return object;
}
