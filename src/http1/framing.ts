import type { FieldList } from '../headers/field-list.ts';
import type { HttpVersion, RequestHead } from './request-head.ts';
import type { ResponseHead } from './response-head.ts';
import { type Refused, refused } from './syntax.ts';

/**
 * Where the body of a message ends (RFC 9112 section 6.3): no body, a number of bytes, chunks, or the end of the connection.
 * A message whose length two readers could disagree on has none of these and is refused.
 */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'close' };

const NONE: Framing = { kind: 'none' };
const CHUNKED: Framing = { kind: 'chunked' };
const CLOSE: Framing = { kind: 'close' };

/** Fifteen digits stay below 2^53. */
const LENGTH = /^[0-9]{1,15}$/;

export function requestFraming(head: RequestHead): Framing | Refused {
  return declaredFraming(head.fields, head.version) ?? NONE;
}

/** `method` is that of the request: the answer to HEAD has no body whatever it declares (RFC 9110 section 9.3.2). */
export function responseFraming(head: ResponseHead, method: string): Framing | Refused {
  const { status } = head;
  const declared = declaredFraming(head.fields, head.version);
  if (declared?.kind === 'refused') return declared;
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return NONE;
  return declared ?? CLOSE;
}

/** What Transfer-Encoding and Content-Length say together; null where neither is there. */
function declaredFraming(fields: FieldList, version: HttpVersion): Framing | Refused | null {
  let coding: string | null = null;
  let length: string | null = null;
  for (const { lower, value } of fields) {
    if (lower === 'transfer-encoding') {
      if (coding !== null) return refused('framing', 'Transfer-Encoding came twice');
      coding = value;
    } else if (lower === 'content-length') {
      // RFC 9110 section 8.6 allows to fold equal values; a reader that takes the first or the last would still differ on a list.
      if (length !== null) return refused('framing', 'Content-Length came twice');
      length = value;
    }
  }
  if (coding === null) return length === null ? null : lengthFraming(length);
  // RFC 9112 section 6.1: both together "ought to be handled as an error"; chunked in HTTP/1.0 is unknown to its readers.
  if (length !== null) return refused('framing', 'Content-Length and Transfer-Encoding came together');
  if (version === '1.0') return refused('framing', 'HTTP/1.0 has no Transfer-Encoding');
  return coding.toLowerCase() === 'chunked' ? CHUNKED : refused('framing', 'a transfer coding other than chunked');
}

function lengthFraming(text: string): Framing | Refused {
  if (!LENGTH.test(text)) return refused('framing', 'Content-Length is not a number');
  return { kind: 'length', bytes: Number(text) };
}
