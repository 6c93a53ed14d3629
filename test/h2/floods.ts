import {
  continuation,
  data,
  frame,
  headers,
  ping,
  priority,
  reset,
  SETTING,
  settings,
  TYPE,
  windowUpdate,
} from '../support/h2-frames.ts';
import { block, indexed, literal } from '../support/h2-hpack.ts';
import type { FramePeer } from '../support/h2-peer.ts';
import { requestFields } from '../support/h2-ways.ts';

/** Much of something that costs the sender little. `next` makes the bytes of the n-th piece; stream numbers begin at 1. */
export interface Flood {
  readonly name: string;
  /** Sent once, before. */
  readonly first?: (authority: string) => readonly Buffer[];
  readonly next: (n: number, authority: string) => readonly Buffer[];
  readonly pieces: number;
  /** The sender does not read either, so that what is answered piles up. */
  readonly deaf?: true;
  /** The connection need not be closed: what is sent costs as little to read as to send. */
  readonly maySurvive?: true;
}

const streamOf = (n: number): number => 2 * n + 1;

const request = (n: number, authority: string, options: Parameters<typeof headers>[2] = {}): Buffer =>
  headers(streamOf(n), block(requestFields(authority, {}, { method: 'POST', path: '/flood' })), options);

/** A field of 4,000 bytes goes into the table once, and then costs one byte each time. */
const BIG: readonly [string, string] = ['x-big', 'b'.repeat(4_000)];
const bomb = (stream: number, authority: string): Buffer =>
  headers(stream, Buffer.concat([block(requestFields(authority)), ...Array(16_000).fill(indexed(62))]), { end: true });

export const FLOODS: readonly Flood[] = [
  {
    name: 'rapid reset (CVE-2023-44487)',
    pieces: 30_000,
    next: (n, authority) => [request(n, authority, { end: true }), reset(streamOf(n), 'CANCEL')],
  },
  {
    name: 'rapid reset of requests with a body',
    pieces: 30_000,
    next: (n, authority) => [request(n, authority), data(streamOf(n), 'x'), reset(streamOf(n), 'NO_ERROR')],
  },
  {
    name: 'MadeYouReset by WINDOW_UPDATE of nothing (CVE-2025-8671)',
    pieces: 30_000,
    next: (n, authority) => [request(n, authority), windowUpdate(streamOf(n), 0)],
  },
  {
    name: 'MadeYouReset by a window beyond its end (CVE-2025-8671)',
    pieces: 30_000,
    next: (n, authority) => [request(n, authority), windowUpdate(streamOf(n), 0x7fff_ffff)],
  },
  {
    name: 'MadeYouReset by more DATA than content-length (CVE-2025-8671)',
    pieces: 30_000,
    next: (n, authority) => {
      const fields = requestFields(authority, { 'content-length': '1' }, { method: 'POST', path: '/flood' });
      return [headers(streamOf(n), block(fields)), data(streamOf(n), 'xx', { end: true })];
    },
  },
  {
    name: 'malformed requests without an end',
    pieces: 30_000,
    next: (n, authority) => [headers(streamOf(n), block(requestFields(authority, { connection: 'x' })), { end: true })],
  },
  {
    name: 'requests for another host without an end',
    pieces: 30_000,
    deaf: true,
    next: (n) => [headers(streamOf(n), block(requestFields('evil.test')), { end: true })],
  },
  {
    name: 'CONTINUATION without an end (CVE-2024-27983)',
    pieces: 20_000,
    first: (authority) => [request(0, authority, { more: true })],
    next: (n) => [continuation(1, literal([`x-${n}`, 'c'.repeat(4_000)]), { more: true })],
  },
  {
    name: 'CONTINUATION of nothing, without an end',
    pieces: 300_000,
    first: (authority) => [request(0, authority, { more: true })],
    next: () => [continuation(1, Buffer.alloc(0), { more: true })],
  },
  {
    name: 'PING that nobody reads the answer of (CVE-2019-9512)',
    pieces: 300_000,
    deaf: true,
    next: () => [ping()],
  },
  { name: 'PING', pieces: 300_000, next: () => [ping()], maySurvive: true },
  {
    name: 'SETTINGS that nobody reads the answer of (CVE-2019-9515)',
    pieces: 200_000,
    deaf: true,
    next: (n) => [settings([[SETTING.INITIAL_WINDOW_SIZE, 65_535 + (n % 2)]])],
  },
  {
    name: 'SETTINGS',
    pieces: 200_000,
    next: (n) => [settings([[SETTING.HEADER_TABLE_SIZE, n % 4_096]])],
    maySurvive: true,
  },
  {
    name: 'PRIORITY (CVE-2019-9513)',
    pieces: 300_000,
    next: (n) => [priority(streamOf(n % 1_000), streamOf((n + 1) % 1_000))],
    maySurvive: true,
  },
  {
    name: 'DATA of nothing (CVE-2019-9518)',
    pieces: 300_000,
    first: (authority) => [request(0, authority)],
    next: () => [data(1, '')],
    maySurvive: true,
  },
  {
    name: 'frames of a type that nobody knows',
    pieces: 300_000,
    next: () => [frame(0xfa, 0, 0, Buffer.alloc(8))],
    maySurvive: true,
  },
  {
    name: 'RST_STREAM of streams that never were',
    pieces: 10_000,
    next: (n) => [reset(streamOf(n), 'CANCEL')],
  },
  {
    name: 'WINDOW_UPDATE of the connection, of nothing',
    pieces: 1_000,
    next: () => [windowUpdate(0, 0)],
  },
  {
    name: 'WINDOW_UPDATE of one byte',
    pieces: 300_000,
    next: () => [windowUpdate(0, 1)],
    maySurvive: true,
  },
  {
    name: 'HPACK bombs',
    pieces: 200,
    first: (authority) => [
      headers(1, Buffer.concat([block(requestFields(authority)), literal(BIG, 'added')]), { end: true }),
    ],
    next: (n, authority) => [bomb(streamOf(n + 1), authority)],
    maySurvive: true,
  },
  {
    name: 'streams beyond all limits',
    pieces: 5_000,
    next: (n, authority) => [request(n, authority)],
    maySurvive: true,
  },
  {
    name: 'GOAWAY',
    pieces: 100_000,
    next: () => [frame(TYPE.GOAWAY, 0, 0, Buffer.alloc(8))],
    maySurvive: true,
  },
];

const PIECES_AT_ONCE = 200;

/** Sends it all, unless the other side ends the connection; says which. */
export async function flood(
  client: FramePeer,
  { first, next, pieces, deaf }: Flood,
  authority: string,
): Promise<{ readonly outcome: 'closed' | 'survived'; readonly sent: number }> {
  // Our own acknowledgement would be a frame within a header section, which is another fault.
  await client.frame(TYPE.SETTINGS, ({ flags }) => flags === 1);
  if (first !== undefined) client.send(...first(authority));
  if (deaf) client.socket.pause();
  let sent = 0;
  while (sent < pieces && !client.closed && client.goaway === null && !client.socket.destroyed) {
    const many = Array.from({ length: Math.min(PIECES_AT_ONCE, pieces - sent) }, (_, index) => sent + index);
    client.send(...many.flatMap((n) => next(n, authority)));
    sent += many.length;
    await client.writable(STUCK_MS);
    if (client.socket.writableNeedDrain) break;
  }
  if (deaf) client.socket.resume();
  // An answer to this is an answer after all that was sent.
  client.send(ping('postern!'));
  const isAlive = await client
    .frame(TYPE.PING, ({ flags, payload }) => flags === 1 && payload.toString('latin1') === 'postern!')
    .then(
      () => client.goaway === null,
      () => false,
    );
  return { outcome: isAlive ? 'survived' : 'closed', sent };
}

/** Who does not read for so long is not going to. */
const STUCK_MS = 2_000;
