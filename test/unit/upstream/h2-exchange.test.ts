import type { Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { expect, it } from 'vitest';
import { H2Upstream } from '../../../src/upstream/h2-upstream.ts';
import { Origin } from '../../../src/upstream/origin.ts';
import { PREFACE, SETTING, settings, TYPE, windowUpdate } from '../../support/h2-frames.ts';
import { FramePeer } from '../../support/h2-peer.ts';

it('a connection on which no reset can leave is closed', async () => {
  const [mine, theirs] = duplexPair();
  const origin = new FramePeer(theirs, {}, PREFACE.length);
  origin.send(settings([[SETTING.INITIAL_WINDOW_SIZE, 2 ** 31 - 1]]), windowUpdate(0, 1_000_000_000));
  const target = new Origin('default', 'https', 'origin.test', 443, 'named');
  const socket = mine as Socket; // the session takes any duplex stream
  const upstream = new H2Upstream(target, { socket, raw: null }, { headBytes: 65_536, headFields: 200 }, () => {});
  const exchange = upstream.exchange();
  const pseudo = [':method', 'POST', ':scheme', 'https', ':authority', 'origin.test', ':path', '/'];
  const sink = exchange.begin({ list: pseudo, sensitive: [] }, true, () => []);
  await origin.frame(TYPE.HEADERS);
  theirs.pause();
  sink.write(Buffer.alloc(1_000_000));
  await new Promise<void>((resolve) => setImmediate(resolve));
  exchange.abandon();
  await new Promise<void>((resolve) => setImmediate(resolve));
  expect(upstream).toMatchObject({ isClosed: false, streams: 1 });
  exchange.onDue();
  expect(upstream.isClosed).toBe(true);
});
