import { setTimeout as passed } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { data, type ErrorName, FLAG, ping, reset, SETTING, TYPE, windowUpdate } from '../support/h2-frames.ts';
import type { FramePeer } from '../support/h2-peer.ts';
import { startFrameScene, startNodeScene } from '../support/h2-stage.ts';
import { frameClient, requestFields } from '../support/h2-ways.ts';
import { metricBecomes } from '../support/observed.ts';

closeOpened();

const openClients = 'postern_connections{side="client"}';
const INITIAL_WINDOW_BYTES = 65_535;
const PIECE_BYTES = 1_000;
const LARGE_WINDOW_BYTES = 1_000_000_000;

/** Sends a body on stream 1 until the other side takes no more of it; it has answered a ping since. */
async function fill(client: FramePeer): Promise<void> {
  let sent = 0;
  for (let pings = 0; ; pings++) {
    const before = sent;
    for (; windowOf(client) - sent >= PIECE_BYTES; sent += PIECE_BYTES) client.send(data(1, 'x'.repeat(PIECE_BYTES)));
    if (pings > 2 && sent === before) return;
    await answered(client, pings);
  }
}

async function answered(client: FramePeer, number: number): Promise<void> {
  client.send(ping(String(number).padStart(8, '0')));
  await client.frame(
    TYPE.PING,
    ({ flags, payload }) => (flags & FLAG.ACK) !== 0 && Number(payload.toString()) === number,
  );
}

const windowOf = ({ frames }: FramePeer): number =>
  frames
    .filter(({ type, stream }) => type === TYPE.WINDOW_UPDATE && stream === 1)
    .reduce((bytes, { payload }) => bytes + payload.readUInt32BE(0), INITIAL_WINDOW_BYTES);

describe('a client that resets a stream on which nothing moves', () => {
  it.each<ErrorName>(['NO_ERROR', 'CANCEL'])('has left, where its body waits for the origin (%s)', async (code) => {
    const { postern, origin, way } = await startFrameScene(
      { settings: [[SETTING.INITIAL_WINDOW_SIZE, 0]] },
      { rule: 'idle: 1h', limits: { idle: '1s' } },
    );
    const client = await frameClient(way);
    client.head(1, requestFields(way.authority, {}, { method: 'POST' }));
    const asked = await origin.next();
    await fill(client);
    client.send(reset(1, code));
    expect(await postern.audited({ method: 'POST' })).toMatchObject({ code: 'REQUEST_INVALID', status: null });
    expect(await asked.outcome(1)).toMatch(/reset CANCEL$/);
    // And nothing of the stream keeps its connection.
    await metricBecomes(postern, openClients, 0);
  });

  it('has left, where all of its answer is here and waits for it', async () => {
    const { postern, origin, way } = await startNodeScene({});
    const client = await frameClient(way, { credits: false });
    client.head(1, requestFields(way.authority), { end: true });
    const { closed, stream } = await origin.next();
    stream.respond({ ':status': 200 });
    stream.end(Buffer.alloc(300_000));
    expect(await closed).toBe(0);
    await client.until(() => client.streams.get(1)?.body.length === INITIAL_WINDOW_BYTES || undefined);
    for (let pings = 0; pings < 3; pings++) await answered(client, pings);
    client.send(reset(1, 'CANCEL'));
    expect(await postern.audited({ path: '/' })).toMatchObject({ code: 'REQUEST_INVALID', status: 200 });
  });

  it('has left, where neither its body nor its answer moves', async () => {
    const { postern, origin, way } = await startFrameScene({ credits: false }, { limits: { idle: '1s' } });
    const client = await frameClient(way, { credits: false, settings: [[SETTING.INITIAL_WINDOW_SIZE, 0]] });
    client.head(1, requestFields(way.authority, {}, { method: 'POST' }));
    const asked = await origin.next();
    await fill(client);
    asked.head(1, [[':status', '200']]);
    asked.send(data(1, 'whole', { end: true }));
    await postern.audited({ method: 'POST' });
    client.send(reset(1, 'NO_ERROR'));
    await metricBecomes(postern, openClients, 0);
  });
});

it('a stream that was reset in its answer leaves the others of its connection alone, however long they go on', async () => {
  const { postern, origin, way } = await startNodeScene({}, { limits: { idle: '1s' } });
  const client = await frameClient(way);
  client.head(1, requestFields(way.authority), { end: true });
  const cut = await origin.next();
  cut.stream.respond({ ':status': 200 });
  cut.stream.write('half');
  await client.until(() => client.streams.get(1)?.body || undefined);
  client.head(3, requestFields(way.authority, {}, { path: '/long' }), { end: true });
  const { stream } = await origin.next();
  stream.respond({ ':status': 200 });
  client.send(reset(1, 'CANCEL'));
  await postern.audited({ code: 'REQUEST_INVALID' });
  const ticks = 30;
  for (let tick = 0; tick < ticks; tick++) {
    stream.write('.');
    await passed(100);
  }
  stream.end();
  expect(await client.outcome(3)).toBe('200');
  expect(client.streams.get(3)?.body).toBe('.'.repeat(ticks));
});

describe('a client that takes nothing from its connection and sends something from time to time', () => {
  it('is not kept, once its answers have waited for too long', async () => {
    const { postern, origin, way } = await startNodeScene({}, { rule: 'idle: 1s', limits: { idle: '1s' } });
    const client = await frameClient(way);
    client.head(1, requestFields(way.authority), { end: true });
    const { closed, stream } = await origin.next();
    client.send(windowUpdate(0, LARGE_WINDOW_BYTES), windowUpdate(1, LARGE_WINDOW_BYTES));
    client.socket.pause();
    const signs = setInterval(() => client.send(windowUpdate(0, 1)), 100);
    stream.respond({ ':status': 200 });
    const more = (): void => {
      while (stream.writable && stream.write(Buffer.alloc(16_384)));
      stream.once('drain', more);
    };
    more();
    expect(await closed).toBe(8);
    expect(await postern.audited({ path: '/' })).toMatchObject({ code: 'IDLE_TIMEOUT', status: 200 });
    await metricBecomes(postern, openClients, 0);
    clearInterval(signs);
  });
});

describe('streams that are open', () => {
  it('are limited for a sandbox, however many connections they are on', async () => {
    const { postern, origin, way } = await startFrameScene({}, { limits: { connections_per_sandbox: 3 } });
    const [first, second] = [await frameClient(way), await frameClient(way)];
    for (const stream of [1, 3]) first.head(stream, requestFields(way.authority), { end: true });
    second.head(1, requestFields(way.authority), { end: true });
    const asked = await origin.next();
    await asked.until(() => asked.streams.size === 3 || undefined);
    second.head(3, requestFields(way.authority), { end: true });
    expect(await second.outcome(3)).toBe('503 OVERLOADED');
    // What has ended makes room.
    first.send(reset(1, 'CANCEL'));
    await postern.audited({ code: 'REQUEST_INVALID' });
    second.head(5, requestFields(way.authority), { end: true });
    await asked.until(() => asked.streams.size === 4 || undefined);
  });

  it('are limited for all sandboxes together', async () => {
    const { origin, way } = await startFrameScene({}, { limits: { connections: 2 } });
    const client = await frameClient(way);
    for (const stream of [1, 3]) client.head(stream, requestFields(way.authority), { end: true });
    const asked = await origin.next();
    await asked.until(() => asked.streams.size === 2 || undefined);
    client.head(5, requestFields(way.authority), { end: true });
    expect(await client.outcome(5)).toBe('503 OVERLOADED');
  });

  it('are refused to a client that does not take the refusal', async () => {
    const { origin, way } = await startFrameScene({}, { limits: { connections: 1 } });
    const client = await frameClient(way, { settings: [[SETTING.INITIAL_WINDOW_SIZE, 0]] });
    client.head(1, requestFields(way.authority), { end: true });
    const asked = await origin.next();
    await asked.until(() => asked.streams.size === 1 || undefined);
    client.head(3, requestFields(way.authority), { end: true });
    expect(await client.outcome(3)).toBe('503 OVERLOADED reset CANCEL');
  });
});
