import { responseWithoutHopByHop } from '../headers/hop-by-hop.ts';
import type { Framing } from '../http1/framing.ts';
import { H1Upstream } from '../upstream/h1-upstream.ts';
import type { AnswerLength } from './client-request.ts';
import type { Answer } from './dispatch.ts';
import type { Flight } from './flight.ts';
import type { Outgoing } from './inject-into.ts';
import type { Route } from './resolve-route.ts';
import type { Services } from './services.ts';
import { upgrade } from './upgrade.ts';

const LENGTHS: Readonly<Record<Framing['kind'], AnswerLength>> = {
  none: 'none',
  length: 'declared',
  chunked: 'chunked',
  close: 'close',
};

/** Passes the answer on as it comes, and gives the connection back if the exchange left it clean. */
export async function relay(
  answer: Answer,
  outgoing: Outgoing,
  route: Route,
  services: Services,
  flight: Flight,
): Promise<void> {
  const { upstream, response, sent } = answer;
  const { client, record } = flight;
  const { head, framing, body } = response;
  if (head.status === 101) return await upgrade(answer, outgoing.received, services, flight);
  record.status = head.status;
  const fields = responseWithoutHopByHop(head.fields);
  const sink = client.sendHead({ status: head.status, reason: head.reason, fields, length: LENGTHS[framing.kind] });
  record.overheadMs += performance.now() - answer.receivedMs;
  upstream.wire.expireIn(answer.idleMs);
  if (body === null) sink.end([]);
  else {
    const moved = body.moveTo(sink, (count) => {
      record.bytesIn += count;
      upstream.wire.expireIn(answer.idleMs);
    });
    const failure = moved instanceof Promise ? await moved : moved;
    if (failure !== null) throw failure;
  }
  flight.carriedBy(null);
  if (sent.done && H1Upstream.persists(response)) services.pool.release(route.origin, upstream);
  else upstream.wire.destroy();
}
