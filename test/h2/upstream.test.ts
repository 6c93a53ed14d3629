import { describe, expect, it } from 'vitest';
import { expectUnharmed } from '../support/attack.ts';
import { closeOpened } from '../support/closing.ts';
import {
  data,
  frame,
  goaway,
  headers,
  ping,
  pushPromise,
  reset,
  settings,
  TYPE,
  windowUpdate,
} from '../support/h2-frames.ts';
import { block, type Field } from '../support/h2-hpack.ts';
import type { FramePeer } from '../support/h2-peer.ts';
import { startFrameScene, startNodeScene } from '../support/h2-stage.ts';
import { frameClient, requestFields } from '../support/h2-ways.ts';

closeOpened();

/** What a client takes that never says more (RFC 9113 section 6.9.2). */
const WINDOW_BYTES = 65_535;
const PIECE_BYTES = 16_384;

interface Fault {
  readonly name: string;
  /** What the origin does on the stream of the request. */
  readonly answer: (connection: FramePeer, stream: number) => void;
  /** What the client sees of it. */
  readonly seen: RegExp;
}

const OK: Field = [':status', '200'];
/** nghttp2 takes the fault for the connection's and ends it, so that no more than a reset is known. */
const BROKEN = /^502 (RESPONSE_INVALID|UPSTREAM_RESET)$/;
const CUT = /^200 reset \w+$/;

const heads = (name: string, fields: readonly Field[], seen = BROKEN): Fault => ({
  name,
  seen,
  answer: (connection, stream) => connection.head(stream, fields, { end: true }),
});

const FAULTS: readonly Fault[] = [
  heads('no status', [['x', '1']]),
  heads('two statuses', [OK, OK]),
  heads('a status that is no number', [[':status', 'abc']]),
  heads('a status of four digits', [[':status', '2000']]),
  heads('a status below all', [[':status', '099']]),
  heads('101', [[':status', '101']]),
  heads('a pseudo-field of requests', [OK, [':path', '/']]),
  heads('a pseudo-field after a regular one', [['x', '1'], OK]),
  heads('connection', [OK, ['connection', 'close']]),
  heads('transfer-encoding', [OK, ['transfer-encoding', 'chunked']]),
  heads('a name in upper case', [OK, ['X-Upper', '1']]),
  heads('two content-length that differ', [OK, ['content-length', '1'], ['content-length', '2']]),
  heads('content-length with nothing behind it', [OK, ['content-length', '5']], /^(502 \w+|200 reset \w+)$/),
  heads('a head that is much too large', [
    OK,
    ...Array.from({ length: 60 }, (_, n): Field => [`x-${n}`, 'y'.repeat(2_000)]),
  ]),
  heads('more fields than any head has', [OK, ...Array.from({ length: 2_000 }, (_, n): Field => [`x-${n}`, ''])]),
  {
    name: 'DATA before a head',
    seen: BROKEN,
    answer: (connection, stream) => connection.send(data(stream, 'x', { end: true })),
  },
  {
    name: 'a reset before a head',
    seen: /^502 UPSTREAM_RESET$/,
    answer: (connection, stream) => connection.send(reset(stream, 'INTERNAL_ERROR')),
  },
  {
    name: 'a head and then a reset',
    seen: /^200 reset ENHANCE_YOUR_CALM$/,
    answer: (connection, stream) => {
      connection.head(stream, [OK]);
      connection.send(data(stream, 'part'), reset(stream, 'ENHANCE_YOUR_CALM'));
    },
  },
  {
    name: 'a head and then the end of the connection',
    seen: CUT,
    answer: (connection, stream) => {
      connection.head(stream, [OK]);
      connection.send(data(stream, 'part'));
      connection.socket.end();
    },
  },
  {
    name: 'more DATA than content-length',
    seen: CUT,
    answer: (connection, stream) => {
      connection.head(stream, [OK, ['content-length', '1']]);
      connection.send(data(stream, 'four', { end: true }));
    },
  },
  {
    name: 'less DATA than content-length',
    seen: CUT,
    answer: (connection, stream) => {
      connection.head(stream, [OK, ['content-length', '5']]);
      connection.send(data(stream, 'four', { end: true }));
    },
  },
  {
    name: 'trailers with a pseudo-field',
    seen: CUT,
    answer: (connection, stream) => {
      connection.head(stream, [OK]);
      connection.send(data(stream, 'x'), headers(stream, block([[':status', '500']]), { end: true }));
    },
  },
  {
    name: 'a push that was not wanted',
    seen: BROKEN,
    answer: (connection, stream) => connection.send(pushPromise(stream, 2, block(requestFields('origin.test')))),
  },
  {
    name: 'interim heads without an end',
    seen: BROKEN,
    answer: (connection, stream) => {
      for (let n = 0; n < 5_000; n++) connection.head(stream, [[':status', '103']]);
    },
  },
  {
    name: 'an end of the connection as its first word',
    seen: /^(502 (UPSTREAM_RESET|CONNECT_FAILED)|503 \w+)$/,
    answer: (connection) => {
      connection.send(goaway(0, 'INTERNAL_ERROR'));
      connection.socket.end();
    },
  },
  {
    name: 'frames on stream 0 that do not belong there',
    seen: BROKEN,
    answer: (connection) => connection.send(frame(TYPE.DATA, 0, 0, Buffer.from('x'))),
  },
  {
    name: 'settings without an end',
    seen: /^(502 \w+|504 \w+)$/,
    answer: (connection) => {
      connection.socket.pause();
      for (let n = 0; n < 20_000; n++) connection.send(settings([[4, 65_535 + (n % 2)]]));
      connection.socket.end();
    },
  },
  {
    name: 'pings without an end',
    seen: /^(502 \w+|504 \w+)$/,
    answer: (connection) => {
      for (let n = 0; n < 20_000; n++) connection.send(ping());
      connection.socket.end();
    },
  },
];

describe('an origin whose HTTP/2 is wrong', () => {
  it.each(FAULTS)('is not believed, and harms nobody: $name', async ({ answer, seen }) => {
    const { postern, origin, way } = await startFrameScene({
      onConnection: (connection) => {
        connection
          .until(() => connection.streams.get(1)?.sections[0])
          .then(
            () => answer(connection, 1),
            () => {},
          );
      },
    });
    const client = await frameClient(way);
    client.head(1, requestFields(way.authority), { end: true });
    expect(await client.outcome(1)).toMatch(seen);
    expect(origin.connections.length).toBeGreaterThan(0);
    // The connection of the client outlives the fault of one origin's.
    expect(client.goaway).toBeNull();
    await postern.audited({ protocol: 'h2', path: '/' });
    expectUnharmed(postern);
  });
});

describe('an origin that closes its connection after its answer', () => {
  it('has all of it passed on, however slowly the client reads', async () => {
    const pieces = 12;
    const { origin, way } = await startFrameScene({});
    const client = await frameClient(way, { credits: false });
    client.head(1, requestFields(way.authority), { end: true });
    const first = await origin.next();
    await first.until(() => first.streams.get(1)?.sections[0]);
    first.head(1, [OK]);
    for (let left = pieces; left > 0; left--) first.send(data(1, Buffer.alloc(PIECE_BYTES, 'a'), { end: left === 1 }));
    first.socket.end();
    await client.until(() => (client.streams.get(1)?.body.length === WINDOW_BYTES ? true : undefined));
    // Answered on another connection, by when the end of the first was seen.
    client.head(3, requestFields(way.authority), { end: true });
    const second = await origin.next();
    await second.until(() => second.streams.get(1)?.sections[0]);
    second.head(1, [OK], { end: true });
    expect(await client.outcome(3)).toBe('200');
    client.send(windowUpdate(0, pieces * PIECE_BYTES), windowUpdate(1, pieces * PIECE_BYTES));
    expect(await client.outcome(1)).toBe('200');
    expect(client.streams.get(1)?.body).toHaveLength(pieces * PIECE_BYTES);
    await first.untilClosed();
  });
});

describe('an origin that says GOAWAY', () => {
  it('is asked the next things on a new connection, and what runs ends where it began', async () => {
    const { origin, way } = await startNodeScene({});
    const client = await frameClient(way);
    client.head(1, requestFields(way.authority), { end: true });
    const first = await origin.next();
    first.session.goaway(0, first.stream.id ?? 1);
    first.stream.respond({ ':status': 200 });
    first.stream.write('a');
    await client.until(() => client.streams.get(1)?.body || undefined);
    client.head(3, requestFields(way.authority), { end: true });
    const second = await origin.next();
    expect(second.session).not.toBe(first.session);
    second.stream.respond({ ':status': 200 });
    second.stream.end('b');
    expect(await client.outcome(3)).toBe('200');
    first.stream.end();
    expect(await client.outcome(1)).toBe('200');
  });

  it('and has not looked at a request is asked it once more, on a new connection', async () => {
    const { origin, way } = await startFrameScene({});
    const client = await frameClient(way);
    client.head(1, requestFields(way.authority), { end: true });
    const first = await origin.next();
    await first.until(() => first.streams.get(1)?.sections[0]);
    first.send(goaway(0));
    const second = await origin.next();
    await second.until(() => second.streams.get(1)?.sections[0]);
    second.head(1, [OK], { end: true });
    expect(await client.outcome(1)).toBe('200');
  });

  it('and has not looked at a request whose body has begun is not asked it again: no body is kept', async () => {
    const { origin, way } = await startFrameScene({});
    const client = await frameClient(way);
    client.head(1, requestFields(way.authority, {}, { method: 'POST' }));
    client.send(data(1, 'begun'));
    const first = await origin.next();
    await first.until(() => first.streams.get(1)?.body || undefined);
    first.send(goaway(0));
    expect(await client.outcome(1)).toBe('502 UPSTREAM_RESET');
    expect(origin.connections).toHaveLength(1);
  });
});
