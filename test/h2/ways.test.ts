import { connect } from 'node:http2';
import type { Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { closeAfterTest, closeOpened } from '../support/closing.ts';
import { h2Request, secureTunnel } from '../support/h2-client.ts';
import { type H2Handler, startH2Origin } from '../support/h2-origin.ts';
import { policyFor, startH2Scene } from '../support/h2-scene.ts';
import { startParent } from '../support/parent.ts';
import { certificateFor, SECRET } from '../support/scene.ts';
import { byName, connectSocks } from '../support/socks.ts';
import { startTransparent } from '../support/transparent.ts';

closeOpened();

/** Says whether the credential came. */
const handler: H2Handler = (stream, headers) => {
  stream.respond({ ':status': headers.authorization === `Bearer ${SECRET}` ? 200 : 401 });
  stream.end('ok');
};

/** Many streams at once, all answered. */
async function expectServed(socket: TLSSocket, authority: string): Promise<void> {
  expect(socket.alpnProtocol).toBe('h2');
  const session = connect(`https://${authority}`, { createConnection: () => socket });
  closeAfterTest(session, () => session.destroy());
  const answers = await Promise.all(Array.from({ length: 20 }, () => h2Request(session, { ':path': '/' })));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
}

async function secured(socket: Socket, ca: string): Promise<TLSSocket> {
  const secure = connectTls({ socket, servername: 'origin.test', ca, ALPNProtocols: ['h2', 'http/1.1'] });
  await new Promise((resolve, reject) => secure.once('secureConnect', resolve).once('error', reject));
  return secure;
}

describe('HTTP/2', () => {
  it('goes through a parent proxy, many streams by one CONNECT', async () => {
    const parent = await startParent();
    const proxy = { url: `http://127.0.0.1:${parent.port}` };
    const upstream = { trust: ['origin-ca.pem'], allow_addresses: ['127.0.0.0/8'], proxy };
    const { postern, authority } = await startH2Scene({ handler, postern: { settings: { upstream } } });
    const alpn = ['h2', 'http/1.1'];
    await expectServed(await secureTunnel(postern.proxyPort, authority, postern.ca, alpn), authority);
    expect(parent.authorities).toEqual([authority]);
  });

  it('comes in by SOCKS5', async () => {
    const { postern, authority, origin } = await startH2Scene({ handler });
    const { socket } = await connectSocks(postern.proxyPort, byName('origin.test', origin.port));
    socket.removeAllListeners('data');
    await expectServed(await secured(socket, postern.ca), authority);
    expect(await postern.audited({ protocol: 'h2' })).toMatchObject({ ingress: 'socks' });
  });

  it('comes in redirected, by its server name', async () => {
    const origin = await startH2Origin({ tls: certificateFor('origin.test'), handler });
    const { postern, redirected } = await startTransparent([origin.port], { policies: policyFor(origin.port) });
    const { socket } = await redirected(origin.port);
    socket.removeAllListeners('data');
    await expectServed(await secured(socket, postern.ca), `origin.test:${origin.port}`);
    expect(await postern.audited({ protocol: 'h2' })).toMatchObject({ ingress: 'transparent' });
  });
});
