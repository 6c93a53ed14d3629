import type { FieldList } from '../../src/headers/field-list.ts';
import type { RequestHead } from '../../src/http1/request-head.ts';
import type { ResponseHead } from '../../src/http1/response-head.ts';
import { type Reading, readRequest, readResponse } from '../support/http1.ts';

export type Pair = readonly [name: string, value: string];

/** One message in the words that all readers share. Text is one character a byte. */
export interface Message {
  readonly kind: 'message';
  /** Method and target, or status and reason. */
  readonly start: readonly [string, string];
  readonly fields: readonly Pair[];
  readonly body: string;
  readonly trailers: readonly Pair[];
  /** How many bytes the message has: what follows is another. Null where the reader cannot say. */
  readonly end: number | null;
}

export type MessageReading =
  | Message
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'incomplete' };

/** What is to be read: a request, or the answer to a request of some method, after which the connection ends. */
export interface Case {
  /** What the attacker tries. */
  readonly name: string;
  readonly bytes: string;
  /** Null: the bytes are a request. */
  readonly answerTo: string | null;
}

export const requestCase = (name: string, bytes: string): Case => ({ name, bytes, answerTo: null });
export const responseCase = (name: string, bytes: string, answerTo = 'GET'): Case => ({ name, bytes, answerTo });

/** What our codec makes of a case, in its own words. */
export const readCase = ({ bytes, answerTo }: Pick<Case, 'bytes' | 'answerTo'>): Reading<RequestHead | ResponseHead> =>
  answerTo === null ? readRequest([bytes]) : readResponse([bytes], answerTo);

/** As our codec reads it. */
export const asWeRead = (one: Pick<Case, 'bytes' | 'answerTo'>): MessageReading => shared(readCase(one), one.bytes);

/** A reading of ours in the words that all readers share. */
export function shared(reading: Reading<RequestHead | ResponseHead>, bytes: string): MessageReading {
  if (reading === 'incomplete') return { kind: 'incomplete' };
  if ('kind' in reading) return { kind: 'refused', why: reading.why };
  const { head, body, trailers, rest } = reading;
  const start: Message['start'] =
    head.kind === 'request' ? [head.method, head.target] : [String(head.status), head.reason];
  const end = bytes.length - rest.length;
  return { kind: 'message', start, fields: pairs(head.fields), body, trailers: pairs(trailers), end };
}

const pairs = (fields: FieldList): readonly Pair[] => fields.map(({ name, value }) => [name, value]);
