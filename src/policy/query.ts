import { type Truth, type ValueCondition, valueHolds } from './value.ts';

/** A query as its conditions see it (SEMANTICS.md 5). */
export interface QueryReading {
  /** Why servers may read the whole query in different ways; then every condition is in doubt. */
  readonly doubtful: boolean;
  /** Raw value by decoded name; null for a name that came more than once. */
  readonly valueByName: ReadonlyMap<string, string | null>;
}

const EMPTY: QueryReading = { doubtful: false, valueByName: new Map() };
const DOUBTFUL: QueryReading = { doubtful: true, valueByName: new Map() };

const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/;
const NEEDS_DECODING = /[%+]/;
/** Bytes that arrived unescaped and are not ASCII, and NUL, at which some servers end the text. */
const UNREADABLE = /[^\x01-\x7f]/;

/**
 * Reads a query as `application/x-www-form-urlencoded`. A raw `;`, which some servers take for `&`, and a name that cannot be decoded
 * leave all of it in doubt.
 */
export function readQuery(query: string | null): QueryReading {
  if (query === null || query === '') return EMPTY;
  if (query.includes(';')) return DOUBTFUL;
  const valueByName = new Map<string, string | null>();
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decodeForm(equals === -1 ? pair : pair.slice(0, equals));
    if (name === null) return DOUBTFUL;
    const value = equals === -1 ? '' : pair.slice(equals + 1);
    valueByName.set(name, valueByName.has(name) ? null : value);
  }
  return { doubtful: false, valueByName };
}

/** What a query condition makes of the query: absent is `no`; repeated, undecodable or doubtful as a whole is `doubt`. */
export function queryTruth(condition: ValueCondition, reading: QueryReading): Truth {
  if (reading.doubtful) return 'doubt';
  const raw = reading.valueByName.get(condition.name);
  if (raw === undefined) return 'no';
  const value = raw === null ? null : decodeForm(raw);
  if (value === null) return 'doubt';
  return valueHolds(condition, value) ? 'yes' : 'no';
}

/**
 * Decodes one name or value: `+` is a space, escapes are UTF-8. Null for what decoders do not agree on: bad escapes, bytes that are
 * not UTF-8, unescaped bytes above ASCII, NUL.
 */
export function decodeForm(text: string): string | null {
  if (UNREADABLE.test(text)) return null;
  if (!NEEDS_DECODING.test(text)) return text;
  // Looked for first, since a peer could send thousands and an exception costs a thousand times what this does.
  if (BAD_ESCAPE.test(text)) return null;
  try {
    const decoded = decodeURIComponent(text.replaceAll('+', ' '));
    return decoded.includes('\0') ? null : decoded;
  } catch {
    return null;
  }
}
