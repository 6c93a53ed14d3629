import { performServerHandshake } from 'node:http2';
import type { Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { readRequestHead } from '../../../src/http2/request-head.ts';
import { H2Request } from '../../../src/proxy/h2-request.ts';
import { H2Upstream } from '../../../src/upstream/h2-upstream.ts';
import { Origin } from '../../../src/upstream/origin.ts';
import type { BodySink } from '../../../src/wire/body.ts';
import { rawOf } from '../../../src/wire/h2-fields.ts';
import { data, headers, PREFACE, reset, settings, TYPE } from '../../support/h2-frames.ts';
import { block, type Field } from '../../support/h2-hpack.ts';
import { FramePeer } from '../../support/h2-peer.ts';

/**
 * Bytes of a duplex stream of JavaScript reach nghttp2 while JavaScript runs, and so do some of a TLS socket that is written to: all frames
 * of a piece are worked through before anybody is told of the first.
 */
const limits = { headBytes: 64 * 1024, headFields: 100, idleMs: 10_000 };
const trailer: Field = ['x-end', '1'];

interface Moved {
  readonly body: string;
  readonly end: 'complete' | 'cut';
  readonly trailers: readonly string[];
}

/** Reads a body to its end, as a string. */
function collector(): { readonly sink: BodySink; moved(failure: unknown): Moved } {
  let body = '';
  let trailers: readonly string[] = [];
  const sink: BodySink = {
    write(bytes) {
      body += bytes.toString('latin1');
      return true;
    },
    whenDrained() {},
    end(fields) {
      trailers = fields.map(({ name }) => name);
    },
  };
  return { sink, moved: (failure) => ({ body, end: failure === null ? 'complete' : 'cut', trailers }) };
}

/** What reaches a sink of an answer that comes in one piece with its head. */
async function answered(...frames: readonly Buffer[]): Promise<Moved> {
  const [mine, theirs] = duplexPair();
  const origin = new FramePeer(theirs, {}, PREFACE.length);
  origin.send(settings());
  const socket = mine as Socket; // the session takes any duplex stream
  const target = new Origin('default', 'https', 'origin.test', 443, 'named');
  const upstream = new H2Upstream(target, { socket, raw: null }, limits, () => {});
  const exchange = upstream.exchange();
  exchange.begin({ list: [':method', 'GET', ':scheme', 'https', ':path', '/'], sensitive: [] }, false, () => []);
  await origin.frame(TYPE.HEADERS);
  const head = headers(1, block([[':status', '200']]));
  origin.send(head, ...frames);
  const { body } = await exchange.response({ method: 'GET', sent: { done: true }, onInterim: () => {} });
  const { sink, moved } = collector();
  const failure = await body?.moveTo(sink, () => {});
  upstream.abandon();
  return moved(failure);
}

/** What reaches a sink of a request that comes in one piece with its head. */
async function requested(...frames: readonly Buffer[]): Promise<Moved> {
  const [mine, theirs] = duplexPair();
  const session = performServerHandshake(theirs as Socket);
  session.on('error', () => {});
  const { sink, moved } = collector();
  const result = new Promise<Moved>((resolve) => {
    session.on('stream', (stream, fields, _flags, list) => {
      const head = readRequestHead(rawOf(list as unknown as string[], fields), 'https', limits);
      const request = new H2Request(stream, head, false, { limits, giveUp: () => {} });
      const body = request.body({ kind: 'chunked' });
      // As a stage does that waits for something first.
      setImmediate(async () => resolve(moved(await body?.moveTo(sink, () => {}))));
    });
  });
  const client = new FramePeer(mine);
  const pseudo: readonly Field[] = [
    [':method', 'POST'],
    [':scheme', 'https'],
    [':authority', 'origin.test'],
    [':path', '/'],
  ];
  client.send(PREFACE, settings(), headers(1, block(pseudo)), ...frames);
  const found = await result;
  session.destroy();
  return found;
}

it('an answer whose stream was reset without an error is whole, as a busy server of Node ends one', async () => {
  expect(await answered(data(1, 'abc'), reset(1, 'NO_ERROR'))).toMatchObject({ body: 'abc', end: 'complete' });
});

it('a request that is reset without an error is cut', async () => {
  expect(await requested(data(1, 'abc'), reset(1, 'NO_ERROR'))).toMatchObject({ end: 'cut' });
});

it('a request that is reset without an error before it is read is cut', async () => {
  expect(await requested(data(1, 'abc', { end: true }), reset(1, 'NO_ERROR'))).toMatchObject({ end: 'cut' });
});

describe.each([
  { side: 'an answer', transfer: answered },
  { side: 'a request', transfer: requested },
])('the body of $side that is here with its head', ({ transfer }) => {
  it('is complete where its stream has ended', async () => {
    expect(await transfer(data(1, 'abc'), data(1, 'def', { end: true }))).toEqual({
      body: 'abcdef',
      end: 'complete',
      trailers: [],
    });
  });

  it('is complete where it is empty', async () => {
    expect(await transfer(data(1, '', { end: true }))).toEqual({ body: '', end: 'complete', trailers: [] });
  });

  it('keeps its trailers', async () => {
    const found = await transfer(data(1, 'abc'), headers(1, block([trailer]), { end: true }));
    expect(found).toEqual({ body: 'abc', end: 'complete', trailers: ['x-end'] });
  });

  it('is cut where the stream was reset', async () => {
    expect(await transfer(data(1, 'abc'), reset(1, 'CANCEL'))).toMatchObject({ end: 'cut' });
  });
});
