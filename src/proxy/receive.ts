import { parseAuthority } from '../address/authority.ts';
import { type Code, ProxyError } from '../errors.ts';
import { countOf, type FieldList, firstValue, hasToken } from '../headers/field-list.ts';
import type { RequestHead } from '../http1/request-head.ts';
import type { Refused } from '../http1/syntax.ts';
import type { ExchangeRecord } from '../observe/record.ts';
import type { BodySource } from '../wire/body.ts';
import type { ClientRequest } from './client-request.ts';
import { placeMeant } from './meant-place.ts';
import type { Passage } from './passage.ts';
import { absoluteTarget, type BadTarget, defaultPort, type Target, tunnelTarget } from './target.ts';

/** A request that was read in the one way it can be read, before any policy. */
export interface Received {
  readonly head: RequestHead;
  readonly target: Target;
  readonly body: BodySource | null;
  /** The length of the body is not declared. */
  readonly chunked: boolean;
  /** Content-Length; null where there is none. */
  readonly declaredBytes: number | null;
  /** The Sec-WebSocket-Key of a WebSocket handshake; null if this is none. */
  readonly websocketKey: string | null;
}

const CODES: Readonly<Record<Refused['verdict'], Code>> = {
  invalid: 'REQUEST_INVALID',
  'too-large': 'HEADERS_TOO_LARGE',
  ambiguous: 'HEADERS_AMBIGUOUS',
  framing: 'FRAMING_INVALID',
  target: 'TARGET_INVALID',
  timeout: 'REQUEST_TIMEOUT',
};

/** Checks one request head: its framing, its target and that every name in it is the same host. Throws what is wrong with it. */
export function receive(client: ClientRequest, passage: Passage, record: ExchangeRecord): Received {
  const { head } = client;
  if (head.kind === 'refused') throw refusal(CODES[head.verdict], head.why);
  const framing = client.framing(head);
  // A request without a body leaves its connection usable, whatever is answered.
  const body = framing.kind === 'refused' ? null : client.body(framing);
  record.method = head.method;
  const target = readTarget(head, passage);
  record.scheme = target.scheme;
  record.host = target.host;
  record.port = target.port;
  record.path = target.path;
  checkHost(head, target, passage);
  if (framing.kind === 'refused') throw refusal('FRAMING_INVALID', framing.why);
  checkExpectation(head.fields);
  const websocketKey = body === null ? websocketKeyOf(head) : null;
  const declaredBytes = framing.kind === 'length' ? framing.bytes : null;
  return { head, target, body, chunked: framing.kind === 'chunked', declaredBytes, websocketKey };
}

/** RFC 9110 section 10.1.1 knows one expectation. A second line is refused too: one reader would wait for the body, another would not. */
function checkExpectation(fields: FieldList): void {
  const expected = firstValue(fields, 'expect');
  if (expected === undefined) return;
  if (expected.toLowerCase() !== '100-continue' || countOf(fields, 'expect') > 1)
    throw refusal('EXPECTATION_FAILED', 'an expectation other than one 100-continue');
}

function readTarget(head: RequestHead, passage: Passage): Target {
  // RFC 9110 section 9.3.6: CONNECT asks for a tunnel; there is none inside a tunnel, nor on a request that is not the first.
  if (head.method === 'CONNECT') throw refusal('METHOD_DENIED', 'CONNECT inside a tunnel');
  const place = passage.tunnel ?? placeMeant(head, passage.entrance.meantPort);
  const target: Target | BadTarget | 'mismatch' =
    place === null ? absoluteTarget(head.target, head.method) : tunnelTarget(head.target, head.method, place);
  if (target === 'mismatch') throw refusal('TARGET_MISMATCH', 'the target names another host than the tunnel or Host');
  if ('kind' in target) {
    const hint = target.hint === undefined ? {} : { hint: target.hint };
    throw new ProxyError('TARGET_INVALID', { stage: 'receive', side: 'client', reason: target.why, ...hint });
  }
  return target;
}

/**
 * Host must be there once and name the target (contract promise 4). RFC 9112 section 3.2.2 has a proxy overwrite it from an absolute-form
 * target; a client for which the two differ is one that two servers would read differently.
 */
function checkHost(head: RequestHead, target: Target, passage: Passage): void {
  let host: string | undefined;
  for (const { lower, value } of head.fields) {
    if (lower !== 'host') continue;
    if (host !== undefined) throw refusal('HEADERS_AMBIGUOUS', 'Host came twice');
    host = value;
  }
  if (host === undefined) {
    if (head.version === '1.0') return;
    throw refusal('REQUEST_INVALID', 'an HTTP/1.1 request without Host');
  }
  if (host === passage.tunnel?.hostField) return;
  const named = parseAuthority(host, defaultPort(target.scheme));
  if (!named.ok) throw refusal('REQUEST_INVALID', `Host ${named.why}`);
  if (named.host !== target.host || named.port !== target.port) {
    throw refusal('TARGET_MISMATCH', 'Host names another host or port than the target');
  }
}

/**
 * RFC 6455 section 4.1: what makes a request a WebSocket handshake. Any other upgrade is a hop-by-hop wish that ends here, so that nothing
 * passes as an upgrade that the answer would not be checked for.
 */
function websocketKeyOf(head: RequestHead): string | null {
  const { fields } = head;
  if (firstValue(fields, 'upgrade')?.toLowerCase() !== 'websocket' || head.method !== 'GET' || head.version !== '1.1')
    return null;
  if (!hasToken(fields, 'connection', 'upgrade')) return null;
  if (single(fields, 'sec-websocket-version') !== '13') return null;
  const key = single(fields, 'sec-websocket-key');
  return key !== null && /^[A-Za-z0-9+/]{22}==$/.test(key) ? key : null;
}

function single(fields: FieldList, lower: string): string | null {
  const found = fields.filter((each) => each.lower === lower);
  return found.length === 1 ? (found[0]?.value ?? null) : null;
}

function refusal(code: Code, reason: string): ProxyError {
  return new ProxyError(code, { stage: 'receive', side: 'client', reason });
}
