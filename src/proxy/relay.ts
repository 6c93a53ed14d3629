import { responseWithoutHopByHop } from '../headers/hop-by-hop.ts';
import type { Framing } from '../http1/framing.ts';
import { H1Upstream } from '../upstream/h1-upstream.ts';
import type { BodyFailure } from '../wire/body.ts';
import type { AnswerLength } from './client-request.ts';
import type { Answer } from './dispatch.ts';
import type { Flight } from './flight.ts';
import type { Outgoing } from './inject-into.ts';
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
  if (head.status === 101) return upgrade(answer, outgoing.received, services, flight);
  record.status = head.status;
  const fields = responseWithoutHopByHop(head.fields);
  const sink = client.sendHead({ status: head.status, reason: head.reason, fields, length: LENGTHS[framing.kind] });
  record.overheadMs += performance.now() - answer.receivedMs;
  upstream.wire.expireIn(answer.idleMs);
  const over = (failure: BodyFailure): void => {
    if (failure !== null) throw failure;
    flight.carriedBy(null);
    if (answer.sent.done && H1Upstream.persists(response)) services.pool.release(route.origin, upstream);
    else upstream.wire.destroy();
  };
  if (body === null) {
    sink.end([]);
    return over(null);
  }
  const moved = body.moveTo(sink, (count) => {
    record.bytesIn += count;
    upstream.wire.expireIn(answer.idleMs);
  });
  return moved instanceof Promise ? moved.then(over) : over(moved);
}
