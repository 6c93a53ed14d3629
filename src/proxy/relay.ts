import type { Framing } from '../http1/framing.ts';
import { withoutCoding } from '../scrub/decoded-fields.ts';
import { H1Upstream } from '../upstream/h1-upstream.ts';
import type { BodyFailure } from '../wire/body.ts';
import type { AnswerLength } from './client-request.ts';
import type { Answer } from './dispatch.ts';
import type { Flight } from './flight.ts';
import type { Outgoing } from './inject-into.ts';
import { type BodyReading, bodyReading, maskingSink, shownHead } from './mask-answer.ts';
import type { Route } from './resolve-route.ts';
import type { Services } from './services.ts';
import { upgrade } from './upgrade.ts';

/**
 * An answer that ended with its connection is sent on in chunks: only then can every client see that one was cut (RFC 9112 section 9.8 has it
 * complete only after an orderly end, which most clients do not look for), and keep its own connection.
 */
const LENGTHS: Readonly<Record<Framing['kind'], AnswerLength>> = {
  none: 'none',
  length: 'declared',
  chunked: 'chunked',
  close: 'chunked',
};

const AS_IT_IS: BodyReading = { coding: null, extent: 'whole' };

/**
 * Passes the answer on as it comes, and gives the connection back if the exchange left it clean. A promise only where there is something
 * to wait for: the body of a small answer has arrived with its head.
 */
export function relay(
  answer: Answer,
  outgoing: Outgoing,
  route: Route,
  services: Services,
  flight: Flight,
): void | Promise<void> {
  const { upstream, response } = answer;
  const { client, record } = flight;
  const { head, framing, body } = response;
  if (head.status === 101) return upgrade(answer, outgoing, services, flight);
  const { needles } = outgoing;
  const { reason, fields } = shownHead(head, needles, flight);
  const reading = needles === null ? AS_IT_IS : bodyReading(response);
  record.status = head.status;
  const sink = client.sendHead({
    status: head.status,
    reason,
    fields: reading.coding === null ? fields : withoutCoding(fields),
    length: reading.coding === null || body === null ? LENGTHS[framing.kind] : 'chunked',
  });
  record.overheadMs += performance.now() - answer.receivedMs;
  upstream.expireIn(answer.idleMs);
  const over = (failure: BodyFailure): void => {
    if (failure !== null) throw failure;
    flight.carriedBy(null);
    giveBack(answer, route, services);
  };
  if (body === null) {
    sink.end([]);
    return over(null);
  }
  const onBytes = (count: number): void => {
    record.bytesIn += count;
    upstream.expireIn(answer.idleMs);
  };
  if (needles === null) return ended(body.moveTo(sink, onBytes), over);
  const masking = maskingSink(sink, reading, needles, answer.idleMs, flight);
  return ended(masking.settled(body.moveTo(masking.sink, onBytes)), over);
}

/** The answer is complete: what carried it is there for the next request, if this one left it clean. */
function giveBack({ upstream, response, sent }: Answer, { origin }: Route, { pool }: Services): void {
  if (upstream.protocol === 'h2') upstream.complete();
  else if (sent.done && H1Upstream.persists(response)) pool.release(origin, upstream);
  else upstream.abandon();
}

function ended(moved: BodyFailure | Promise<BodyFailure>, over: (failure: BodyFailure) => void): void | Promise<void> {
  return moved instanceof Promise ? moved.then(over) : over(moved);
}
