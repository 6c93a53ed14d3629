import type { Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { expect, it } from 'vitest';
import { H2Upstream } from '../../../src/upstream/h2-upstream.ts';
import { Origin } from '../../../src/upstream/origin.ts';
import { PREFACE, SETTING, settings, TYPE, windowUpdate } from '../../support/h2-frames.ts';
import { FramePeer } from '../../support/h2-peer.ts';

it('an exchange that is given up is over at once, and a connection on which its reset cannot leave is closed', async () => {
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
  const response = exchange.response({ method: 'POST', sent: { done: false }, onInterim: () => {} });
  exchange.abandon();
  await expect(response).rejects.toMatchObject({ code: 'UPSTREAM_RESET' });
  await new Promise<void>((resolve) => setImmediate(resolve));
  expect(upstream).toMatchObject({ isClosed: false, streams: 1 });
  exchange.onDue();
  expect(upstream.isClosed).toBe(true);
});
