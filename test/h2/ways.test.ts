import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { type SeenRequest, startNodeOrigin } from '../support/h2-origins.ts';
import { ask, policyFor, startNodeScene } from '../support/h2-stage.ts';
import { nodeClient, over, type Way } from '../support/h2-ways.ts';
import { startParent } from '../support/parent.ts';
import { certificateFor, SECRET } from '../support/scene.ts';
import { byName, connectSocks } from '../support/socks.ts';
import { startTransparent } from '../support/transparent.ts';

closeOpened();

/** Says whether the credential came. */
const onRequest = ({ stream, fields }: SeenRequest): void => {
  stream.respond({ ':status': fields.authorization === `Bearer ${SECRET}` ? 200 : 401 });
  stream.end('ok');
};

/** Many streams at once, all answered. */
async function expectServed(way: Way): Promise<void> {
  const socket = await way.open(['h2', 'http/1.1']);
  expect(socket.alpnProtocol).toBe('h2');
  const session = await nodeClient({ ...way, open: async () => socket });
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(session, { ':path': '/' })));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
}

describe('HTTP/2', () => {
  it('goes through a parent proxy, many streams by one CONNECT', async () => {
    const parent = await startParent();
    const proxy = { url: `http://127.0.0.1:${parent.port}` };
    const upstream = { trust: ['origin-ca.pem'], allow_addresses: ['127.0.0.0/8'], proxy };
    const { way } = await startNodeScene({ onRequest }, { settings: { upstream } });
    await expectServed(way);
    expect(parent.authorities).toEqual([way.authority]);
  });

  it('comes in by SOCKS5', async () => {
    const { postern, way, origin } = await startNodeScene({ onRequest });
    const bySocks = () => connectSocks(postern.proxyPort, byName('origin.test', origin.port));
    await expectServed(over(way.authority, postern, bySocks));
    expect(await postern.audited({ protocol: 'h2' })).toMatchObject({ ingress: 'socks' });
  });

  it('comes in redirected, by its server name', async () => {
    const { port } = await startNodeOrigin({ tls: certificateFor('origin.test'), onRequest });
    const { postern, redirected } = await startTransparent([port], { policies: policyFor(port) });
    await expectServed(over(`origin.test:${port}`, postern, () => redirected(port)));
    expect(await postern.audited({ protocol: 'h2' })).toMatchObject({ ingress: 'transparent' });
  });
});
