import { type FieldList, field } from '../headers/field-list.ts';

/** The content codings (RFC 9110 section 8.4.1, RFC 7932, RFC 8878) that an answer can be read through. */
export const CODINGS = ['gzip', 'x-gzip', 'deflate', 'br', 'zstd'] as const;
export type Coding = (typeof CODINGS)[number];

const READ: ReadonlySet<string> = new Set([...CODINGS, 'identity']);

/** How a text is coded: not at all, in one coding that can be read, or in a way that cannot. */
export function codingOf(fields: FieldList): Coding | 'identity' | 'unreadable' {
  let coding: Coding | 'identity' | 'unreadable' = 'identity';
  for (const { lower, value } of fields) {
    if (lower !== 'content-encoding') continue;
    const name = value.toLowerCase();
    if (name === '' || name === 'identity') continue;
    const known = CODINGS.find((each) => each === name);
    // Two codings, one inside the other, are in nobody's use.
    coding = coding === 'identity' && known !== undefined ? known : 'unreadable';
  }
  return coding;
}

/**
 * The request's fields as far as they ask for an answer that can be searched (SEMANTICS.md 8). `Accept-Encoding` is cut to what can be
 * read; a part of a coded text cannot be read at all, so with `Range` none is asked for. Without the field servers send text as it is,
 * and nothing is added. Several ranges at once would be cut at every edge: the field goes, which servers may ignore anyway (RFC 9110
 * section 14.2).
 */
export function askingForReadable(fields: FieldList): FieldList {
  if (!fields.some(({ lower }) => lower === 'accept-encoding' || lower === 'range')) return fields;
  const asked = fields.filter(({ lower, value }) => lower !== 'range' || !value.includes(','));
  const isPart = asked.some(({ lower }) => lower === 'range');
  return asked.map((each) => {
    if (each.lower !== 'accept-encoding') return each;
    const value = isPart ? 'identity' : readableOf(each.value);
    return value === each.value ? each : field(each.name, value);
  });
}

const VALUES_REMEMBERED = 200;
const readableByValue = new Map<string, string>();

/** Clients send the same few values with every request. */
function readableOf(value: string): string {
  const known = readableByValue.get(value);
  if (known !== undefined) return known;
  const items = value.split(',').map((item) => item.trim());
  const kept = items.filter((item) => READ.has((item.split(';')[0] ?? '').trim().toLowerCase()));
  const readable = kept.length === items.length ? value : kept.join(', ') || 'identity';
  if (readableByValue.size < VALUES_REMEMBERED) readableByValue.set(value, readable);
  return readable;
}
