import type { FieldList } from '../../src/headers/field-list.ts';
import { bodyReader } from '../../src/http1/body-reader.ts';
import { type Framing, requestFraming, responseFraming } from '../../src/http1/framing.ts';
import { HeadCutter } from '../../src/http1/head.ts';
import { Inbox } from '../../src/http1/inbox.ts';
import { parseRequestHead, type RequestHead } from '../../src/http1/request-head.ts';
import { parseResponseHead, type ResponseHead } from '../../src/http1/response-head.ts';
import type { Refused } from '../../src/http1/syntax.ts';

export const LIMITS = { headBytes: 8_192, headFields: 50 };

export interface Message<Head> {
  readonly head: Head;
  readonly framing: Framing;
  readonly body: string;
  readonly trailers: FieldList;
  /** Bytes after the end of the message. */
  readonly rest: string;
}

/** `incomplete`: more bytes were wanted when the input was over. */
export type Reading<Head> = Message<Head> | Refused | 'incomplete';

/** Reads one request from bytes that arrive in the given pieces. */
export const readRequest = (pieces: readonly string[]): Reading<RequestHead> =>
  read(pieces, (text) => parseRequestHead(text, LIMITS.headFields), requestFraming);

/** Reads one response to a request of that method; the connection ends after the pieces. */
export const readResponse = (pieces: readonly string[], method = 'GET'): Reading<ResponseHead> =>
  read(
    pieces,
    (text) => parseResponseHead(text, LIMITS.headFields),
    (head) => responseFraming(head, method),
  );

function read<Head extends { readonly kind: 'request' | 'response' }>(
  pieces: readonly string[],
  parse: (text: string) => Head | Refused,
  framingOf: (head: Head) => Framing | Refused,
): Reading<Head> {
  const inbox = new Inbox();
  const waiting = [...pieces];
  const more = (): boolean => {
    const piece = waiting.shift();
    if (piece === undefined) return false;
    if (piece.length > 0) inbox.push(Buffer.from(piece, 'latin1'));
    return true;
  };
  const cutter = new HeadCutter(LIMITS);
  let text = cutter.cut(inbox);
  while (text === null && more()) text = cutter.cut(inbox);
  if (text === null) return 'incomplete';
  if (typeof text !== 'string') return text;
  const head = parse(text);
  if (head.kind === 'refused') return head;
  const framing = framingOf(head);
  if (framing.kind === 'refused') return framing;
  const reader = bodyReader(framing, LIMITS);
  let body = '';
  for (;;) {
    const event = reader.read(inbox);
    if (Buffer.isBuffer(event)) body += event.toString('latin1');
    else if (event === 'more') {
      if (more()) continue;
      if (!reader.endsWithConnection) return 'incomplete';
      return { head, framing, body, trailers: [], rest: '' };
    } else if (event.kind === 'refused') return event;
    else {
      while (more());
      return { head, framing, body, trailers: event.trailers, rest: inbox.takeAll().toString('latin1') };
    }
  }
}
