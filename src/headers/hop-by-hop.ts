import { detached, type Field, type FieldList, hyphened } from './field-list.ts';

/**
 * Fields that belong to one connection (RFC 9110 section 7.6.1) leave a message before anything else is done to it: what a client
 * nominates in `Connection` is looked for among the client's own fields only, so it cannot nominate ours away.
 *
 * Whoever writes the message adds framing (`Transfer-Encoding`) and `Connection` of the new connection. `Content-Length` and `Trailer`
 * stay where they stand: they describe the content, which passes unchanged, and the writer must check the length against its own
 * framing. If `te` is still there its value is `trailers`, and HTTP/1.1 wants `Connection: TE` beside it (RFC 9110 section 10.1.4).
 */
export const requestWithoutHopByHop = (fields: FieldList): FieldList => withoutHopByHop(fields, goesFromRequest);

/** The same for a response, and without what an upstream must not tell our client: `Alt-Svc` (a way around us) and our own names. */
export const responseWithoutHopByHop = (fields: FieldList): FieldList => withoutHopByHop(fields, goesFromResponse);

/**
 * What may follow the body of a response. A length after it frames nothing (RFC 9110 section 6.5.1), and readers that check it all the same
 * refuse the whole answer (`test/differential`).
 */
export const responseTrailers = (trailers: FieldList): FieldList =>
  responseWithoutHopByHop(trailers).filter((each) => hyphened(each.lower) !== 'content-length');

function withoutHopByHop(fields: FieldList, goes: (lower: string) => boolean): FieldList {
  if (!fields.some((each) => goes(each.lower))) return fields;
  const nominated = nominatedNames(fields);
  const kept: Field[] = [];
  for (const each of fields) {
    if (each.lower === 'te') {
      if (asksForTrailers(each.value)) kept.push(each.value === 'trailers' ? each : { ...each, value: 'trailers' });
    } else if (!goes(each.lower) && !nominated.has(each.lower)) {
      kept.push(each);
    }
  }
  return kept;
}

const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'te',
  'transfer-encoding',
  'upgrade',
  // RFC 7540 section 3.2.1: a nominated field of the h2c upgrade, which is not forwarded.
  'http2-settings',
]);

/** What a server that makes one name of `_` and `-` could take for the length of the message; no client means it. */
const LENGTH_TWIN = 'content_length';

/** Also `Proxy-Connection`, `Proxy-Authorization` (our own token may be in it) and whatever else is meant for a proxy. */
function isConnectionField(lower: string): boolean {
  const name = hyphened(lower);
  return CONNECTION_FIELDS.has(name) || name.startsWith('proxy-') || lower === LENGTH_TWIN;
}

/** `Proxy-Status` (RFC 9209) is told to whoever reads the response, unlike the other fields of that prefix. */
function isForeignInResponse(lower: string): boolean {
  const name = hyphened(lower);
  if (name === 'alt-svc' || name.startsWith('x-postern-')) return true;
  return isConnectionField(name) && name !== 'proxy-status';
}

const goesFromRequest = remembered(isConnectionField);
const goesFromResponse = remembered(isForeignInResponse);

const NAMES_REMEMBERED = 1_000;

/** The same answer for the same name without working it out again: names are few, and each field of each message is asked about. */
function remembered(answerFor: (lower: string) => boolean): (lower: string) => boolean {
  const answers = new Map<string, boolean>();
  return (lower) => {
    const known = answers.get(lower);
    if (known !== undefined) return known;
    const answer = answerFor(lower);
    // A bound, since a peer chooses the names.
    if (answers.size < NAMES_REMEMBERED) answers.set(detached(lower), answer);
    return answer;
  };
}

/**
 * Fields that a peer cannot nominate away: without them the message would be read differently from how it was judged. What is
 * handled on its own (`te: trailers` is nominated whenever it is sent) is not nominated either.
 */
const NEVER_NOMINATED: ReadonlySet<string> = new Set(['host', 'content-length', 'te', 'trailer']);

function nominatedNames(fields: FieldList): ReadonlySet<string> {
  const names = new Set<string>();
  for (const each of fields) {
    if (each.lower !== 'connection') continue;
    for (const option of each.value.split(',')) names.add(option.trim().toLowerCase());
  }
  for (const name of NEVER_NOMINATED) names.delete(name);
  return names;
}

/** RFC 9110 section 10.1.4: `trailers` may stand among transfer codings, each with parameters. */
const asksForTrailers = (value: string): boolean =>
  value.split(',').some((coding) => coding.trim().toLowerCase() === 'trailers');
