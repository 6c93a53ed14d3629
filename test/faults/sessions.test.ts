import { createServer } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { listening } from '../support/listening.ts';
import { startPostern } from '../support/postern.ts';
import { connectTunnel } from '../support/raw-client.ts';
import { certificateFor, loopback } from '../support/scene.ts';

closeOpened();

it('a TLS session with which a handshake failed is not offered again', async () => {
  const secureContext = createSecureContext(certificateFor('origin.test'));
  const resumed: boolean[] = [];
  let count = 0;
  // Each connection carries one request; the third dies after its ClientHello.
  const server = createServer((raw) => {
    raw.on('error', () => {});
    if (++count === 3) {
      raw.once('data', () => raw.resetAndDestroy());
      return;
    }
    const socket = new TLSSocket(raw, { isServer: true, secureContext });
    socket.on('error', () => {});
    socket.once('secure', () => resumed.push(socket.isSessionReused()));
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok'));
  });
  const port = await listening(server);
  const policies = `version: 1\nrules:\n  - { hosts: [origin.test], ports: [${port}] }\n`;
  const postern = await startPostern({ policies, ...loopback() });
  const client = await connectTunnel(postern.proxyPort, `origin.test:${port}`);
  await client.secure({ servername: 'origin.test', ca: postern.ca });
  const statuses: string[] = [];
  for (let request = 0; request < 5; request++) {
    client.send(`GET / HTTP/1.1\r\nHost: origin.test:${port}\r\n\r\n`);
    statuses.push((await client.take(/\r\n\r\n(ok|[\s\S]*\}\}\n)$/)).slice(9, 12));
  }
  expect(statuses).toEqual(['200', '200', '502', '200', '200']);
  // Whole, resumed, (dead), whole again, resumed.
  expect(resumed).toEqual([false, true, false, true]);
});
