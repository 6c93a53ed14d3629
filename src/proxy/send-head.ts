import type { FieldList } from '../headers/field-list.ts';
import { fieldsText } from '../http1/write.ts';
import { bytesOf } from '../http2/raw-fields.ts';
import type { Carrier } from '../upstream/carrier.ts';
import type { BodySink } from '../wire/body.ts';
import { H1Sink } from '../wire/h1-body.ts';
import type { Flight } from './flight.ts';
import type { Outgoing } from './inject-into.ts';
import { safeTrailers, upstreamHeadFields, upstreamHeadText } from './upstream-head.ts';

/** Sends the head of a request on whatever carries it, if its limits let it leave. The body goes to the sink; null if there is none. */
export function sendHead(upstream: Carrier, outgoing: Outgoing, flight: Flight): BodySink | null {
  const { source, chunked } = outgoing.body;
  if (upstream.protocol === 'h1') {
    const head = upstreamHeadText(outgoing);
    if (!flight.spend(head.length, 'other')) flight.check();
    upstream.wire.writeText(head);
    if (source === null) return null;
    return new H1Sink(upstream.wire, chunked ? 'chunked' : 'plain', trailersOf(outgoing, flight));
  }
  const head = upstreamHeadFields(outgoing);
  if (!flight.spend(bytesOf(head), 'other')) flight.check();
  return upstream.begin(head, source !== null, trailersOf(outgoing, flight));
}

const trailersOf =
  ({ plan }: Outgoing, flight: Flight) =>
  (trailers: FieldList): FieldList => {
    const safe = safeTrailers(trailers, plan.removed);
    flight.spend(fieldsText(safe).length, 'other');
    return safe;
  };
