import { type FieldList, field } from '../headers/field-list.ts';

/** Fields that describe the coded bytes (RFC 9110 sections 8.6 and 8.4, RFC 9530): of the text as it is sent on they are not true. */
const OF_CODED_BYTES: ReadonlySet<string> = new Set([
  'content-encoding',
  'content-length',
  'content-md5',
  'content-digest',
  'repr-digest',
  'digest',
]);

/**
 * The fields of an answer that is sent on without its coding. A strong ETag names bytes that the client does not get (RFC 9110 section
 * 8.8.1): it becomes a weak one.
 */
export function withoutCoding(fields: FieldList): FieldList {
  return fields
    .filter(({ lower }) => !OF_CODED_BYTES.has(lower))
    .map((each) => (each.lower === 'etag' && each.value.startsWith('"') ? field(each.name, `W/${each.value}`) : each));
}
