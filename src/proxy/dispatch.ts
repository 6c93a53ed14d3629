import { ProxyError } from '../errors.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import type { Snapshot } from '../runtime/snapshot.ts';
import type { UpstreamResponse } from '../upstream/awaiting.ts';
import type { Carrier } from '../upstream/carrier.ts';
import type { BodyFailure, BodySink, BodySource } from '../wire/body.ts';
import type { Flight } from './flight.ts';
import type { Outgoing } from './inject-into.ts';
import { shownHead } from './mask-answer.ts';
import type { Route } from './resolve-route.ts';
import { sendHead } from './send-head.ts';
import type { Services } from './services.ts';

/** An answer that has begun, the connection it comes on, and the request body that may still be leaving. */
export interface Answer {
  readonly upstream: Carrier;
  readonly response: UpstreamResponse;
  /** True once the whole request was sent. */
  readonly sent: { done: boolean };
  readonly idleMs: number;
  /** When the head was there, on `performance.now()`. */
  readonly receivedMs: number;
}

interface Attempt {
  readonly outgoing: Outgoing;
  readonly body: BodySource | null;
  readonly responseHeadMs: number;
  readonly idleMs: number;
}

/** An origin that refuses everything on every connection is down. */
const REPEATS_MAX = 2;

/**
 * Sends the request and waits for the head of its answer. A pooled connection that turns out to be dead before a byte of the answer came is
 * replaced once, if the request may be sent twice.
 */
export async function dispatch(
  outgoing: Outgoing,
  route: Route,
  snapshot: Snapshot,
  services: Services,
  flight: Flight,
): Promise<Answer> {
  const { limits } = snapshot.settings;
  const spec = outgoing.decision.rule?.spec;
  const attempt: Attempt = {
    outgoing,
    body: outgoing.body.source,
    responseHeadMs: spec?.responseHeadMs ?? limits.responseHeadMs,
    idleMs: spec?.idleMs ?? limits.idleMs,
  };
  for (let repeats = 0; ; repeats++) {
    const pooled = repeats === 0 ? route.pooled : null;
    const upstream = pooled ?? (await connect(route, snapshot, services, flight));
    try {
      const sending = send(upstream, attempt, flight);
      return answerOf(sending, await sending.response, flight);
    } catch (thrown) {
      flight.check();
      const isRetryable = thrown instanceof ProxyError && thrown.retryable && repeats < REPEATS_MAX;
      if (!isRetryable || !mayRepeat(upstream, pooled !== null && route.repeatable, attempt)) throw thrown;
      // The origin has ended its side alone. Nobody else knows of this connection any more.
      upstream.abandon();
    }
  }
}

/** What carries a request that found nothing in the pool. */
async function connect(route: Route, snapshot: Snapshot, services: Services, flight: Flight): Promise<Carrier> {
  const { limits } = snapshot.settings;
  const startedMs = performance.now();
  const { upstreamContext: context, parentCredentials } = snapshot;
  const settings = { ...limits, context, parentCredentials, signal: flight.dialling() };
  const way = await route.way();
  const dialling: Promise<Carrier> = route.multiplexed
    ? services.pool.place(route.origin, way, settings)
    : services.pool.dial(route.origin, way, settings);
  const upstream = await flight.waitFor(dialling, (late) => late.abandon());
  flight.record.overheadMs -= performance.now() - startedMs;
  return upstream;
}

/**
 * A connection of the pool may have been dead before the request; it is worth another try where a second effect is none. What the host has refused
 * before it did anything may be sent again, whatever it asks for (RFC 9113 section 8.7).
 */
const mayRepeat = (upstream: Carrier, isRepeatable: boolean, { body }: Attempt): boolean =>
  isRepeatable || (upstream.protocol === 'h2' && upstream.unprocessed && body === null);

/** A request whose head was written, and the answer to come. */
interface Sending extends Pick<Answer, 'upstream' | 'sent' | 'idleMs'> {
  readonly response: Promise<UpstreamResponse>;
  readonly sentMs: number;
}

function send(upstream: Carrier, attempt: Attempt, flight: Flight): Sending {
  const { record, client } = flight;
  flight.carriedBy(upstream);
  flight.check();
  record.address = upstream.address;
  const sink = sendHead(upstream, attempt.outgoing, flight);
  const sent = { done: attempt.body === null };
  upstream.expireIn(attempt.body === null ? attempt.responseHeadMs : attempt.idleMs);
  if (attempt.body !== null && sink !== null) moveBody(attempt.body, { upstream, sink, sent }, attempt, flight);
  const sentMs = performance.now();
  record.overheadMs += sentMs - client.startedMs;
  const response = upstream.response({
    method: attempt.outgoing.received.head.method,
    sent,
    onInterim: (head) => sendInterim(head, attempt.outgoing, flight),
  });
  return { upstream, response, sent, idleMs: attempt.idleMs, sentMs };
}

function sendInterim(head: ResponseHead, { needles }: Outgoing, flight: Flight): void {
  const { reason, fields } = shownHead(head, needles, flight);
  flight.client.sendInterim(head.status, reason, fields);
}

function answerOf({ upstream, sent, idleMs, sentMs }: Sending, response: UpstreamResponse, flight: Flight): Answer {
  const receivedMs = performance.now();
  flight.record.upstreamMs = receivedMs - sentMs;
  return { upstream, response, sent, idleMs, receivedMs };
}

/** Where the body of a request goes. */
interface Leaving {
  readonly upstream: Carrier;
  readonly sink: BodySink;
  readonly sent: { done: boolean };
}

/** Sends the body beside everything else: the answer may begin, and end, before it. */
function moveBody(body: BodySource, { upstream, sink, sent }: Leaving, attempt: Attempt, flight: Flight): void {
  const { received } = attempt.outgoing;
  const onBytes = (count: number): void => {
    // A declared length was judged before; and these bytes may be more than it, with placeholders swapped.
    if (!flight.spend(count, received.chunked ? 'body' : 'other')) return;
    flight.record.bytesOut += count;
    upstream.expireIn(attempt.idleMs);
  };
  const done = (failure: BodyFailure): void => {
    sent.done = failure === null;
    if (failure !== null) flight.cut(failure);
    else upstream.expireIn(flight.client.headSent ? attempt.idleMs : attempt.responseHeadMs);
  };
  const moved = body.moveTo(sink, onBytes);
  if (moved instanceof Promise) void moved.then(done);
  else done(moved);
}
