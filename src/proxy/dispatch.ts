import { ProxyError } from '../errors.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import { fieldsText } from '../http1/write.ts';
import type { Snapshot } from '../runtime/snapshot.ts';
import type { H1Upstream, UpstreamResponse } from '../upstream/h1-upstream.ts';
import type { BodyFailure, BodySource } from '../wire/body.ts';
import { H1Sink } from '../wire/h1-body.ts';
import type { Flight } from './flight.ts';
import type { Outgoing } from './inject-into.ts';
import { shownHead } from './mask-answer.ts';
import type { Route } from './resolve-route.ts';
import type { Services } from './services.ts';
import { safeTrailers, upstreamHeadText } from './upstream-head.ts';

/** An answer that has begun, the connection it comes on, and the request body that may still be leaving. */
export interface Answer {
  readonly upstream: H1Upstream;
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
  if (route.pooled !== null) {
    try {
      const sending = send(route.pooled, attempt, flight);
      return answerOf(sending, await sending.response, flight);
    } catch (thrown) {
      flight.check();
      if (!(thrown instanceof ProxyError && thrown.retryable && route.repeatable)) throw thrown;
      // The origin has ended its side alone. Nobody else knows of this connection any more.
      route.pooled.wire.destroy();
    }
  }
  const startedMs = performance.now();
  const { upstreamContext: context, parentCredentials } = snapshot;
  const settings = { ...limits, context, parentCredentials, signal: flight.dialling() };
  const dialling = services.pool.dial(route.origin, await route.way(), settings);
  const upstream = await flight.waitFor(dialling, (late) => late.wire.destroy());
  flight.record.overheadMs -= performance.now() - startedMs;
  const sending = send(upstream, attempt, flight);
  return answerOf(sending, await sending.response, flight);
}

/** A request whose head was written, and the answer to come. */
interface Sending extends Pick<Answer, 'upstream' | 'sent' | 'idleMs'> {
  readonly response: Promise<UpstreamResponse>;
  readonly sentMs: number;
}

function send(upstream: H1Upstream, attempt: Attempt, flight: Flight): Sending {
  const { record, client } = flight;
  flight.carriedBy(upstream);
  flight.check();
  record.address = upstream.address;
  const head = upstreamHeadText(attempt.outgoing);
  if (!flight.spend(head.length, 'other')) flight.check();
  upstream.wire.writeText(head);
  const sent = { done: attempt.body === null };
  upstream.wire.expireIn(attempt.body === null ? attempt.responseHeadMs : attempt.idleMs);
  if (attempt.body !== null) moveBody(attempt.body, upstream, attempt, flight, sent);
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

/** Sends the body beside everything else: the answer may begin, and end, before it. */
function moveBody(
  body: BodySource,
  upstream: H1Upstream,
  attempt: Attempt,
  flight: Flight,
  sent: { done: boolean },
): void {
  const { plan, received, body: form } = attempt.outgoing;
  const { wire } = upstream;
  const sink = new H1Sink(wire, form.chunked ? 'chunked' : 'plain', (trailers) => {
    const safe = safeTrailers(trailers, plan.removed);
    flight.spend(fieldsText(safe).length, 'other');
    return safe;
  });
  const onBytes = (count: number): void => {
    // A declared length was judged before; and these bytes may be more than it, with placeholders swapped.
    if (!flight.spend(count, received.chunked ? 'body' : 'other')) return;
    flight.record.bytesOut += count;
    wire.expireIn(attempt.idleMs);
  };
  const done = (failure: BodyFailure): void => {
    sent.done = failure === null;
    if (failure !== null) flight.cut(failure);
    else wire.expireIn(flight.client.headSent ? attempt.idleMs : attempt.responseHeadMs);
  };
  const moved = body.moveTo(sink, onBytes);
  if (moved instanceof Promise) void moved.then(done);
  else done(moved);
}
