import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { answering } from '../support/h2-origins.ts';
import { startNodeScene } from '../support/h2-stage.ts';
import { frameClient, requestFields } from '../support/h2-ways.ts';
import { metricBecomes } from '../support/observed.ts';

closeOpened();

const gone = 'postern_connections{side="client"}';

describe('a client of HTTP/2 that leaves without a word', () => {
  it('has its connection closed', async () => {
    const { postern, way } = await startNodeScene({ onRequest: answering('ok') });
    const client = await frameClient(way);
    client.head(1, requestFields(way.authority), { end: true });
    expect(await client.outcome(1)).toBe('200');
    client.socket.destroy();
    await metricBecomes(postern, gone, 0);
  });

  it.each([
    ['by FIN', 'destroy'],
    ['by close_notify and FIN', 'end'],
  ] as const)('has its streams at the origin ended with CANCEL (%s)', async (_how, leave) => {
    const { postern, origin, way } = await startNodeScene({});
    const client = await frameClient(way);
    client.head(1, requestFields(way.authority), { end: true });
    const { closed, stream } = await origin.next();
    stream.respond({ ':status': 200 });
    stream.write('half');
    await client.until(() => client.streams.get(1)?.body || undefined);
    client.socket[leave]();
    expect(await closed).toBe(8);
    await metricBecomes(postern, gone, 0);
  });
});
