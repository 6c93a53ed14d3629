import type { ProxyError } from '../errors.ts';
import type { FieldList } from '../headers/field-list.ts';
import type { Framing } from '../http1/framing.ts';
import type { RequestHead } from '../http1/request-head.ts';
import type { Refused } from '../http1/syntax.ts';
import type { BodySink, BodySource } from '../wire/body.ts';
import type { Wire } from '../wire/wire.ts';

/** Where the body of an answer ends, as it is sent to the client. */
export type AnswerLength =
  /** No body follows, whatever the fields say. */
  | 'none'
  /** Content-Length is among the fields. */
  | 'declared'
  /** Only its end will tell: chunks where the client reads them, else the end of the connection. */
  | 'chunked';

export interface AnswerHead {
  readonly status: number;
  readonly reason: string;
  /** Without hop-by-hop fields. */
  readonly fields: FieldList;
  readonly length: AnswerLength;
  /** No request is wanted after this one, where the protocol lets us say so. */
  readonly last?: boolean;
}

/**
 * One request of a client and the way back to it, whatever protocol carries it. The exchange knows nothing else of the client's side.
 */
export interface ClientRequest {
  readonly protocol: 'h1' | 'h2';
  /** The head as it came, or why it is none. */
  readonly head: RequestHead | Refused;
  /** Where its body ends, as its head or its protocol says. Only for a head that is one. */
  framing(head: RequestHead): Framing | Refused;
  /** When its first byte was there, on `performance.now()`. */
  readonly startedMs: number;
  /** The body, whose bytes nobody has taken yet; null if there is none. Call it once. */
  body(framing: Framing): BodySource | null;
  /** True once the whole body was taken, or there was none: another request may follow. */
  readonly bodyTaken: boolean;
  /** The client is gone: nothing can be told it any more. */
  readonly gone: boolean;
  /** The final head was given to `sendHead`: an error can no longer be told, only shown by `cutOff`. */
  readonly headSent: boolean;
  /** Called if the client leaves before the exchange is over. */
  onAbort(callback: () => void): void;
  /** An interim answer (1xx); left out for clients that do not know them. */
  sendInterim(status: number, reason: string, fields: FieldList): void;
  /** The final head. Body bytes go to the sink; `sink.end` completes the answer. */
  sendHead(head: AnswerHead): BodySink;
  /** The answer cannot be completed: its reader must be able to see that. */
  cutOff(error: ProxyError): void;
  /** For an upgrade: the connection itself, on which nothing is HTTP any more. Null where the protocol has no such thing. */
  takeOver(): Wire | null;
}
