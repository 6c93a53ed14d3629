import type { TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { expectUnharmed } from '../support/attack.ts';
import { closeOpened } from '../support/closing.ts';
import { headers, PREFACE, SETTING, TYPE } from '../support/h2-frames.ts';
import { block } from '../support/h2-hpack.ts';
import { answering } from '../support/h2-origins.ts';
import { ask, startNodeScene } from '../support/h2-stage.ts';
import { frameClient, nodeClient, requestFields } from '../support/h2-ways.ts';
import { metricBecomes, residentBytes, residentBytesMax } from '../support/observed.ts';
import { FLOODS, flood } from './floods.ts';

closeOpened();

const FLOOD_MS = 30_000;
/** What one client may have a proxy hold, with what the collector has not come to yet. */
const GROWTH_BYTES_MAX = 192 * 1024 * 1024;

describe('a client that floods its connection', () => {
  it.each(FLOODS)(
    'is no harm to others, and costs no memory: $name',
    async (attack) => {
      const { postern, way } = await startNodeScene({ onRequest: answering('ok') });
      const other = await nodeClient(way);
      expect((await ask(other, { ':path': '/before' })).status).toBe(200);
      const rested = residentBytes(postern);

      const attacker = await frameClient(way);
      const flooding = flood(attacker, attack, way.authority);
      for (let asked = 0; asked < 5; asked++) expect((await ask(other, { ':path': '/during' })).status).toBe(200);
      const { outcome } = await flooding;
      if (attack.maySurvive !== true) expect(outcome).toBe('closed');
      expect((await ask(other, { ':path': '/after' })).status).toBe(200);

      attacker.socket.destroy();
      other.destroy();
      await metricBecomes(postern, 'postern_connections{side="client"}', 0);
      expect(residentBytesMax(postern) - rested).toBeLessThan(GROWTH_BYTES_MAX);
      expectUnharmed(postern);
      await postern.until(() => postern.audit.filter(({ path }) => path === '/during').length === 5 || undefined);
    },
    FLOOD_MS,
  );

  it(
    'leaves an audit line for each request that reached the origin',
    async () => {
      const { postern, origin, way } = await startNodeScene({ onRequest: answering('ok') });
      const [attack] = FLOODS;
      if (attack === undefined) throw new Error('there are no floods');
      const attacker = await frameClient(way);
      await flood(attacker, attack, way.authority);
      attacker.socket.destroy();
      await metricBecomes(postern, 'postern_connections{side="client"}', 0);
      const lines = postern.audit.filter(({ path }) => path === '/flood').length;
      expect(lines).toBeGreaterThanOrEqual(origin.requests.length);
    },
    FLOOD_MS,
  );
});

/** The client's own side stays open, so that the end is the proxy's doing. */
const ended = (socket: TLSSocket): Promise<void> =>
  new Promise((resolve) => {
    socket
      .on('error', () => {})
      .on('end', resolve)
      .on('close', () => resolve());
    socket.resume();
  });

describe('a client that says nothing', () => {
  const limits = { client_head: '1s' };

  it('is closed when it sends no preface', async () => {
    const { way } = await startNodeScene({}, { limits });
    const socket = await way.open();
    await ended(socket);
  });

  it('is closed when it leaves off within the preface', async () => {
    const { way } = await startNodeScene({}, { limits });
    const socket = await way.open();
    socket.write(PREFACE.subarray(0, 10));
    await ended(socket);
  });

  it('is closed when it leaves off within a header section', async () => {
    const { origin, way } = await startNodeScene({}, { limits });
    const client = await frameClient(way);
    // Our own acknowledgement would be a frame within the section.
    await client.frame(TYPE.SETTINGS, ({ flags }) => flags === 1);
    client.send(headers(1, block(requestFields(way.authority)), { more: true }));
    await client.untilClosed();
    expect(origin.requests).toEqual([]);
  });

  it('is closed when it asks for nothing for as long as a connection may be idle', async () => {
    const { way } = await startNodeScene({ onRequest: answering('ok') }, { limits: { idle: '1s' } });
    const client = await frameClient(way);
    client.head(1, requestFields(way.authority), { end: true });
    expect(await client.outcome(1)).toBe('200');
    await client.untilClosed();
  });
});

describe('a client that opens no window', () => {
  it(
    'has the proxy hold no more than it reads, in a hundred streams',
    async () => {
      const piece = Buffer.alloc(64 * 1024, 'x');
      const { postern, way } = await startNodeScene({
        onRequest: ({ stream, raw }) => {
          stream.respond({ ':status': 200 });
          if (raw.includes('/small')) return stream.end('ok');
          const more = (): void => {
            while (!stream.destroyed && stream.write(piece));
          };
          stream.on('drain', more);
          return more();
        },
      });
      const other = await nodeClient(way);
      expect((await ask(other, { ':path': '/small' })).status).toBe(200);
      const rested = residentBytes(postern);
      const client = await frameClient(way, { settings: [[SETTING.INITIAL_WINDOW_SIZE, 0]], credits: false });
      const ids = Array.from({ length: 100 }, (_, n) => 2 * n + 1);
      for (const id of ids) client.head(id, requestFields(way.authority, {}, { path: '/large' }), { end: true });
      await Promise.all(ids.map((id) => client.until(() => client.streams.get(id)?.sections[0])));
      for (let asked = 0; asked < 20; asked++) expect((await ask(other, { ':path': '/small' })).status).toBe(200);
      expect(residentBytesMax(postern) - rested).toBeLessThan(GROWTH_BYTES_MAX);
      client.socket.destroy();
      other.destroy();
      await metricBecomes(postern, 'postern_connections{side="client"}', 0);
    },
    FLOOD_MS,
  );
});
