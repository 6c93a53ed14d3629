import { isDeepStrictEqual } from 'node:util';
import type { Message, MessageReading, Pair } from './message.ts';
import type { PeerName } from './peers/peer.ts';

/**
 * How a peer's reading differs from ours; null if it does not. What we refuse cannot differ: nobody behind us sees it.
 * `complete`: the peer takes for a whole message what we still wait for more of.
 */
export type Difference = 'refused' | 'incomplete' | 'complete' | 'start' | 'fields' | 'body' | 'trailers' | 'end';

export function compare(ours: MessageReading, theirs: MessageReading, peer: PeerName): Difference | null {
  if (ours.kind === 'refused') return null;
  if (ours.kind === 'incomplete') return theirs.kind === 'message' ? 'complete' : null;
  if (theirs.kind !== 'message') return theirs.kind;
  const one = shownBy(peer, ours);
  const other = shownBy(peer, theirs);
  if (!isDeepStrictEqual(one.start, other.start)) return 'start';
  if (!isDeepStrictEqual(one.fields, other.fields)) return 'fields';
  if (one.body !== other.body) return 'body';
  if (!isDeepStrictEqual(one.trailers, other.trailers)) return 'trailers';
  return other.end === null || one.end === other.end ? null : 'end';
}

/** A message in what a peer lets one see of it: order, case and framing fields are lost on the way out of some. */
const VIEWS: Readonly<Record<PeerName, (message: Message) => Message>> = {
  llhttp: (message) => message,
  // Values of Transfer-Encoding are lower-cased by h11.
  h11: (message) => ({
    ...message,
    fields: message.fields.map(([name, value]) => [name, is(name, 'transfer-encoding') ? value.toLowerCase() : value]),
  }),
  // A map of names; what frames the body was taken out.
  'net/http': (message) => ({
    ...message,
    fields: sorted(
      message.fields.filter(([name, value]) => !GO_TAKES.has(name.toLowerCase()) && !isEmptyHost(name, value)),
    ),
    trailers: sorted(message.trailers),
  }),
  // What is the connection's is nginx's own on the way out, and Host comes first.
  nginx: (message) => ({
    ...message,
    fields: sorted(message.fields.filter(([name]) => !NGINX_TAKES.has(name.toLowerCase()))),
    trailers: [],
  }),
};

const shownBy = (peer: PeerName, message: Message): Message => VIEWS[peer](message);

const GO_TAKES: ReadonlySet<string> = new Set(['transfer-encoding', 'trailer', 'connection']);
const isEmptyHost = (name: string, value: string): boolean => is(name, 'host') && value === '';
const NGINX_TAKES: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'transfer-encoding',
  'expect',
  'keep-alive',
  'te',
  'upgrade',
]);

const is = (name: string, lower: string): boolean => name.toLowerCase() === lower;

const sorted = (fields: readonly Pair[]): readonly Pair[] =>
  fields
    .map(([name, value]): Pair => [name.toLowerCase(), value])
    .toSorted(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
