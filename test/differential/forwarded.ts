import { type FieldList, without } from '../../src/headers/field-list.ts';
import { requestWithoutHopByHop, responseTrailers, responseWithoutHopByHop } from '../../src/headers/hop-by-hop.ts';
import { requestFraming } from '../../src/http1/framing.ts';
import type { RequestHead } from '../../src/http1/request-head.ts';
import type { ResponseHead } from '../../src/http1/response-head.ts';
import { CHUNK_END, chunkStart, lastChunk, responseHeadText } from '../../src/http1/write.ts';
import type { ClientRequest } from '../../src/proxy/client-request.ts';
import type { Passage } from '../../src/proxy/passage.ts';
import { type Received, receive } from '../../src/proxy/receive.ts';
import { safeTrailers, upstreamHeadText } from '../../src/proxy/upstream-head.ts';
import type { Message } from '../support/http1.ts';
import { exchangeRecord } from '../support/record.ts';
import { type Case, type MessageReading, readCase, shared } from './message.ts';

/** Whom requests are for: a tunnel to this host, with HTTP inside. */
export const HOST = 'a.test';

const PASSAGE: Passage = {
  entrance: { ingress: 'proxy', listener: '', client: '', clientAddress: null, reachedAt: null, meantPort: null },
  tunnel: { sandbox: 'default', scheme: 'http', host: HOST, port: 80, hostField: HOST, tls: null },
  evidence: { address: null, listener: '', credentials: null },
  standing: null,
};

/**
 * The bytes that an upstream is sent for a request that our codec read, without a rule that changes it; null where we refuse it.
 * `forwarded.test.ts` holds this against a running proxy.
 */
export function forwardedRequest(message: Message<RequestHead>): string | null {
  const received = receivedOf(message);
  if (received === null || /^(?:trace|connect)$/i.test(message.head.method)) return null;
  const { head, target, chunked } = received;
  const body = { source: received.body, chunked, length: null };
  const fields = requestWithoutHopByHop(head.fields);
  const text = upstreamHeadText({ received, target: target.resource, fields, body });
  return text + bodyText(message.body, chunked, safeTrailers(message.trailers, NOTHING));
}

const NOTHING: ReadonlySet<string> = new Set();

/** What our client is sent for an answer that our codec read, if it speaks HTTP/1.1 and the connection stays open; null for what is refused. */
export function forwardedResponse(message: Message<ResponseHead>): string | null {
  const { head, framing } = message;
  if (head.status === 101) return null;
  const chunked = framing.kind === 'chunked' || framing.kind === 'close';
  const coding = chunked ? 'Transfer-Encoding: chunked\r\n' : '';
  const kept = responseWithoutHopByHop(head.fields);
  const fields = head.status < 200 ? without(kept, 'content-length') : kept;
  const text = responseHeadText(head.status, head.reason, fields, coding);
  if (framing.kind === 'none') return text;
  return text + bodyText(message.body, chunked, responseTrailers(message.trailers));
}

/** How we read a case, refused where the proxy refuses it before any policy is asked, and what we send on for it. */
export function throughUs(one: Case): { readonly ours: MessageReading; readonly written: Case | null } {
  const reading = readCase(one);
  const ours = shared(reading, one.bytes);
  if (reading === 'incomplete' || 'kind' in reading) return { ours, written: null };
  const bytes = forwarded(reading);
  if (bytes !== null) return { ours, written: { ...one, bytes } };
  // A request goes on or is refused; an answer that does not go on is 101.
  return { ours: one.answerTo === null ? { kind: 'refused', why: 'by the proxy' } : ours, written: null };
}

const forwarded = ({ head, ...rest }: Message<RequestHead | ResponseHead>): string | null =>
  head.kind === 'request' ? forwardedRequest({ head, ...rest }) : forwardedResponse({ head, ...rest });

/** One chunk a body: the sizes are ours, and follow what arrives. */
function bodyText(body: string, chunked: boolean, trailers: FieldList): string {
  if (!chunked) return body;
  return (body === '' ? '' : chunkStart(body.length) + body + CHUNK_END) + lastChunk(trailers);
}

function receivedOf({ head }: Message<RequestHead>): Received | null {
  const client: ClientRequest = {
    protocol: 'h1',
    head,
    startedMs: 0,
    framing: requestFraming,
    body: (framing) => (framing.kind === 'none' || (framing.kind === 'length' && framing.bytes === 0) ? null : SOURCE),
    bodyTaken: false,
    gone: false,
    headSent: false,
    onAbort: () => {},
    sendInterim: () => {},
    sendHead: () => ({ write: () => true, whenDrained: () => {}, end: () => {} }),
    cutOff: () => {},
    takeOver: () => null,
  };
  try {
    return receive(client, PASSAGE, exchangeRecord());
  } catch {
    return null;
  }
}

const SOURCE = { moveTo: () => null };
