import { describe, expect, it } from 'vitest';
import { expectUnharmed } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { rawValues, startNodeOrigin } from '../support/h2-origins.ts';
import { ask, startNodeScene } from '../support/h2-stage.ts';
import { frameClient, nodeClient } from '../support/h2-ways.ts';
import { certificateFor } from '../support/scene.ts';
import { MALFORMED } from './malformed-requests.ts';

closeOpened();

describe('a malformed request on HTTP/2', () => {
  const scene = shared(
    () =>
      startNodeScene(
        {
          // Answered when it is whole, so that an answer means that the origin took it for one.
          onRequest: ({ stream, bytes }) => {
            bytes.then(() => {
              if (stream.destroyed || stream.closed) return;
              stream.respond({ ':status': 200 });
              stream.end('ok');
            });
          },
        },
        { rules: '  - { name: other, hosts: [other.test], ports: [443] }' },
      ),
    ({ postern }) => expectUnharmed(postern),
  );

  it.each(MALFORMED)('is refused, and the origin never sees it: $name', async ({ frames, ends, mayDrop, begins }) => {
    const { origin, way } = scene();
    const before = origin.requests.length;
    const client = await frameClient(way);
    client.send(...frames(way.authority));
    const outcome = await client.outcome(1);
    // What is asked after it comes after it.
    expect((await ask(await nodeClient(way), { ':path': '/after' })).status).toBe(200);
    const seen = origin.requests.slice(before).filter(({ raw }) => !raw.includes('/after'));

    if (mayDrop !== undefined && outcome === '200') {
      expect(seen).toHaveLength(1);
      expect(seen.flatMap((request) => rawValues(request, mayDrop))).toEqual([]);
      return;
    }
    expect(outcome).toMatch(ends);
    if (outcome === '200') return;
    if (begins !== true) expect(seen.map(({ raw }) => raw)).toEqual([]);
    for (const { closed } of seen) expect(await closed).not.toBe(0);
  });
});

describe('two origins that the same rules allow', () => {
  it('share no connection of a client: :authority is the tunnel it is in', async () => {
    const other = await startNodeOrigin({ tls: certificateFor('other.test') });
    const { way } = await startNodeScene(
      {},
      { rules: `  - { name: other, hosts: [other.test], ports: [${other.port}] }` },
    );
    const session = await nodeClient(way);
    const { status, raw } = await ask(session, { ':authority': `other.test:${other.port}`, ':path': '/' });
    expect([status, raw[raw.indexOf('x-postern-error') + 1]]).toEqual([421, 'TARGET_MISMATCH']);
    expect(other.requests).toEqual([]);
  });
});
