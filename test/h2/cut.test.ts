import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { data, headers } from '../support/h2-frames.ts';
import { block } from '../support/h2-hpack.ts';
import { type H2SceneOptions, startFrameScene } from '../support/h2-stage.ts';
import { frameClient, requestFields } from '../support/h2-ways.ts';

closeOpened();

async function scene(options: H2SceneOptions = {}) {
  const { origin, way } = await startFrameScene({}, options);
  const client = await frameClient(way);
  const head = (method: string, path: string, more: Readonly<Record<string, string>> = {}): Buffer =>
    block(requestFields(way.authority, more, { method, path }));
  return { origin, client, head };
}

const MISUSED = `inject: [{ placeholder: { token: PSTRN-TOKEN-0001, value: "\${token}", in: ["header:authorization"], misplaced: quarantine } }]`;

// Node sent END_STREAM for what it was to reset, where the session was just being read: the reset came behind it, or not at all.
describe('what is cut within an event of its own connection is reset, and never ended', () => {
  it('an answer, by a quarantine that another request of the same client brings about', async () => {
    const { origin, client, head } = await scene({
      rules: `  - { name: swaps, hosts: [origin.test], ports: [443], ${MISUSED} }`,
    });
    client.send(headers(1, head('GET', '/half'), { end: true }));
    const connection = await origin.next();
    await connection.until(() => connection.streams.get(1));
    connection.send(headers(1, block([[':status', '200']])), data(1, 'half of it'));
    await client.until(() => (client.streams.get(1)?.body === 'half of it' ? true : undefined));
    client.send(headers(3, head('GET', '/', { 'x-note': 'PSTRN-TOKEN-0001' }), { end: true }));
    await client.until(() => (client.streams.get(3)?.ended === true ? true : undefined));
    expect(client.streams.get(3)?.sections[0]?.[0]).toMatchObject({ name: ':status', value: '403' });
    await client.until(() => client.streams.get(1)?.reset ?? undefined);
    expect(client.streams.get(1)).toMatchObject({ body: 'half of it', ended: false, reset: 'INTERNAL_ERROR' });
  });

  it('a request, when its host sends more interim answers than may be', async () => {
    const { origin, client, head } = await scene();
    client.send(headers(1, head('POST', '/half')), data(1, 'half of it'));
    const connection = await origin.next();
    await connection.until(() => (connection.streams.get(1)?.body === 'half of it' ? true : undefined));
    connection.send(...new Array<Buffer>(50).fill(headers(1, block([[':status', '103']]))));
    await connection.until(() => connection.streams.get(1)?.reset ?? undefined);
    expect(connection.streams.get(1)).toMatchObject({ body: 'half of it', ended: false, reset: 'CANCEL' });
    await client.until(() => (client.streams.get(1)?.ended === true ? true : undefined));
    expect(client.streams.get(1)?.sections.at(-1)?.[0]).toMatchObject({ name: ':status', value: '502' });
  });
});
