import { countOf, type FieldList, field, firstValue, without } from '../headers/field-list.ts';
import { isForwardingField } from '../headers/forwarded.ts';
import { requestWithoutHopByHop } from '../headers/hop-by-hop.ts';
import { requestHeadText } from '../http1/write.ts';
import { type RawFields, rawFields } from '../http2/raw-fields.ts';
import type { Outgoing } from './inject-into.ts';
import { hostFieldOf } from './target.ts';

/** RFC 9110 section 6.5.1: what frames, routes or authenticates a message has no place after it; nor has what a plan removes. */
const NEVER_TRAILING: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'content-encoding',
  'content-type',
  'authorization',
  'cookie',
  'set-cookie',
]);

/** What of a client's trailer section leaves: nothing that says who asked for what either, which receivers add to the head. `removed` are the names that its rule takes out of the head. */
export function safeTrailers(trailers: FieldList, removed: ReadonlySet<string>): FieldList {
  return requestWithoutHopByHop(trailers).filter(
    ({ lower }) => !NEVER_TRAILING.has(lower) && !isForwardingField(lower) && !removed.has(lower.replaceAll('_', '-')),
  );
}

/** The head of a request as it goes on an HTTP/1.1 connection: framing and `Connection` are the connection's own. */
export function upstreamHeadText(outgoing: Pick<Outgoing, 'received' | 'target' | 'fields' | 'body'>): string {
  const { head, target, websocketKey } = outgoing.received;
  const { source, chunked } = outgoing.body;
  // RFC 9110 section 10.1.4: TE is about one connection, and says so.
  let framing = countOf(outgoing.fields, 'te') > 0 ? 'Connection: TE\r\n' : '';
  if (source !== null && chunked) framing += 'Transfer-Encoding: chunked\r\n';
  else if (websocketKey !== null) framing = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
  let { fields } = outgoing;
  if (head.version === '1.0') fields = asHttp11(fields, hostFieldOf(target));
  return requestHeadText(head.method, outgoing.target, fields, framing);
}

/**
 * The head of a request as it goes on an HTTP/2 stream (RFC 9113 section 8.3.1). What we put into it, or the client marked so, is never indexed:
 * a compressed secret could be guessed by whoever sees the length of what others send (RFC 7541 section 7.1).
 */
export function upstreamHeadFields({
  received,
  target,
  fields,
  plan,
}: Pick<Outgoing, 'received' | 'target' | 'fields' | 'plan'>): RawFields {
  const { head, target: asked } = received;
  const authority = firstValue(fields, 'host') ?? hostFieldOf(asked);
  const pseudo = [':method', head.method, ':scheme', asked.scheme, ':authority', authority, ':path', target];
  const others = without(fields, 'host');
  if (plan.empty) return rawFields(pseudo, others);
  const came = new Set(head.fields);
  const raw = rawFields(
    pseudo,
    others.map((each) => (came.has(each) ? each : { ...each, sensitive: true as const })),
  );
  return target === asked.resource ? raw : { ...raw, sensitive: [...raw.sensitive, ':path'] };
}

/** What an HTTP/1.0 request lacks, or has too much of, in the HTTP/1.1 that we send (RFC 9112 section 3.2, RFC 9110 section 10.1.1). */
function asHttp11(fields: FieldList, authority: string): FieldList {
  const known = fields.filter((each) => each.lower !== 'expect');
  return countOf(known, 'host') > 0 ? known : [field('Host', authority), ...known];
}
