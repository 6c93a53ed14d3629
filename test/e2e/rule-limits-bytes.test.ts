import { createHash } from 'node:crypto';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { closeAfterTest, closeOpened } from '../support/closing.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel } from '../support/raw-client.ts';
import { chunk, get, OK, post, REFUSED, untilNoneInFlight, usage } from '../support/rule-limits.ts';
import { certificateFor, loopback, type Scene, type SceneOptions, startScene } from '../support/scene.ts';

closeOpened();

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = createHash('sha1').update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
const SWITCHING = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`;
const handshake = (authority: string): string =>
  `GET /chat HTTP/1.1\r\nHost: ${authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n`;

const bytesOut = (limit: string, options: SceneOptions = {}): Promise<Scene> =>
  startScene({ rule: `limits: { bytes_out: ${limit} }`, ...options });

describe('limits.bytes_out of requests', () => {
  it('counts heads, bodies and trailers as they are sent', async () => {
    const { postern, origin, authority, tunnel } = await bytesOut('10KiB/day');
    const client = await tunnel();
    client.send(post(authority, 'Transfer-Encoding: chunked', `${chunk(1_000)}0\r\nX-Sum: 12345\r\n\r\n`));
    const connection = await origin.next();
    const [head] = await connection.until(/^[\s\S]*?\r\n\r\n/);
    await connection.until(/X-Sum: 12345\r\n\r\n$/);
    connection.socket.write(OK);
    await client.take(/ok$/);
    const sent = head.length + 1_000 + 'X-Sum: 12345\r\n'.length;
    expect((await usage(postern))?.bytes_out).toMatchObject({ used: sent, available: 10_240 - sent });
  });

  it('refuses a body that declares more than is left, before anything is dialled', async () => {
    const { postern, origin, authority, tunnel } = await bytesOut('10KiB/h');
    const client = await tunnel();
    client.send(post(authority, 'Content-Length: 6000', 'x'.repeat(6_000)));
    const connection = await origin.next();
    await connection.until(/x{6000}$/);
    connection.socket.write(OK);
    await client.take(/ok$/);
    client.send(post(authority, 'Content-Length: 6000\r\nExpect: 100-continue'));
    const answer = await client.take(REFUSED);
    const retryAfter = Number(/^Retry-After: (\d+)\r$/m.exec(answer)?.[1]);
    expect(retryAfter).toBeGreaterThan(600);
    expect(retryAfter).toBeLessThan(800);
    expect(answer).toMatch(/^RateLimit-Policy: "bytes_out";q=10240;qu="content-bytes";w=3600\r$/m);
    expect(answer).toMatch(new RegExp(`^RateLimit: "bytes_out";r=\\d{4};t=${retryAfter}\\r$`, 'm'));
    expect(connection.received.split('POST ')).toHaveLength(2);
    const metrics = await (await fetch(`${postern.adminUrl}/metrics`)).text();
    expect(metrics).toContain('postern_limited_total{sandbox="default",rule="all",limit="bytes_out"} 1\n');
  });

  it('cuts an upload in the middle: 429, and the origin never sees its end', async () => {
    const { postern, origin, authority, tunnel } = await bytesOut('10KiB/day');
    const client = await tunnel();
    client.send(post(authority, 'Transfer-Encoding: chunked', chunk(8_000)));
    const connection = await origin.next();
    await connection.until(/x{8000}\r\n$/);
    client.send(`${chunk(3_000)}0\r\n\r\n`);
    await client.take(REFUSED);
    await connection.untilEnded();
    expect(connection.received).toMatch(/x{8000}\r\n$/);
    expect(await postern.audited({ code: 'RATE_LIMITED' })).toMatchObject({ status: 429, bytes_out: 8_000 });
    await untilNoneInFlight(postern);
  });

  it('cuts the later of two declared bodies that fit only one by one', async () => {
    const { origin, authority, tunnel } = await bytesOut('10KiB/day');
    const clients = [await tunnel(), await tunnel()];
    const connections = [];
    for (const client of clients) {
      client.send(post(authority, 'Content-Length: 6000', 'x'.repeat(100)));
      const connection = await origin.next();
      await connection.until(/x{100}$/);
      connections.push(connection);
    }
    clients[0]?.send('x'.repeat(5_900));
    await connections[0]?.until(/x{6000}$/);
    clients[1]?.send('x'.repeat(5_900));
    await clients[1]?.take(REFUSED);
    await connections[1]?.untilEnded();
    expect(connections[1]?.received).toMatch(/[^x]x{100}$/);
  });

  it('refuses requests without a body once it is used up, and takes them when time has given bytes back', async () => {
    const { authority, tunnel } = await bytesOut('1KiB/s', { origin: { onConnection: answering(OK) } });
    const client = await tunnel();
    let answer = '';
    for (let count = 0; count < 50 && !answer.startsWith('HTTP/1.1 429'); count++) {
      client.send(get(authority));
      answer = await client.take(/^HTTP\/1\.1 (?:200 OK\r\n[\s\S]*?ok|429 [\s\S]*?\}\}\n)/);
    }
    expect(answer).toMatch(REFUSED);
    const retryAfter = Number(/^Retry-After: (\d+)\r$/m.exec(answer)?.[1]);
    expect(retryAfter).toBe(1);
    // What Retry-After says: time is what this test is about.
    await new Promise((resolve) => setTimeout(resolve, retryAfter * 1_000));
    // The failed send closed the connection to the origin, not that of the client.
    client.send(get(authority));
    await client.take(/^HTTP\/1\.1 200 OK\r\n[\s\S]*?ok/);
  });
});

describe('limits.bytes_out of a WebSocket', () => {
  it('cuts it when it has sent that much, and counts nothing that comes back', async () => {
    const { postern, origin, authority, tunnel } = await bytesOut('4KiB/day');
    const client = await tunnel();
    client.send(handshake(authority));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write(`${SWITCHING}${'y'.repeat(49_999)}z`, 'latin1');
    await client.until(/z$/);
    client.send('a'.repeat(3_000));
    await connection.until(/a{3000}$/);
    client.send('b'.repeat(3_000));
    await client.untilEnded();
    await connection.untilEnded();
    expect(connection.received).toMatch(/a{3000}$/);
    expect(await postern.audited({ protocol: 'ws' })).toMatchObject({
      code: 'RATE_LIMITED',
      status: 101,
      bytes_out: 3_000,
      bytes_in: 50_000,
    });
    await untilNoneInFlight(postern);
  });

  it('counts it as in flight for as long as it is open', async () => {
    const { postern, origin, authority, tunnel } = await startScene({ rule: 'limits: { concurrency: 1, body: 1B }' });
    const client = await tunnel();
    client.send(handshake(authority));
    const connection = await origin.next();
    connection.socket.write(SWITCHING);
    await client.take(/\r\n\r\n$/);
    // What passes in a WebSocket is no request body.
    client.send('frames');
    await connection.until(/frames$/);
    const other = await tunnel();
    other.send(handshake(authority));
    await other.take(REFUSED);
    // Both sides: one that ends its own may still be sent to.
    client.socket.destroy();
    connection.socket.destroy();
    await untilNoneInFlight(postern);
    other.send(handshake(authority));
    await (await origin.next()).until(/\r\n\r\n$/);
  });
});

describe('limits of a passthrough rule', () => {
  async function pinned(limits: string) {
    const origin = await startOrigin({ tls: certificateFor('origin.test') });
    const postern = await startPostern({
      policies: `version: 1\nrules:\n  - { name: pin, hosts: [origin.test], ports: [${origin.port}], tls: passthrough, limits: { ${limits} } }\n`,
      ...loopback(),
    });
    const authority = `origin.test:${origin.port}`;
    const open = async () => {
      const client = await connectTunnel(postern.proxyPort, authority);
      const secure = closeAfterTest(
        connectTls({ socket: client.socket, servername: 'origin.test', ca: loopback().files?.['origin-ca.pem'] }),
        (socket) => socket.destroy(),
      );
      secure.on('error', () => {});
      await new Promise((resolve) => secure.once('secureConnect', resolve));
      return { client, secure, connection: await origin.next() };
    };
    return { origin, postern, authority, open };
  }

  const connectHead = (authority: string): string => `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;

  it('cut a tunnel that has sent its bytes, its handshake included', async () => {
    const { postern, authority, open } = await pinned('bytes_out: 8KiB/day');
    const { secure, connection } = await open();
    secure.write('a'.repeat(2_000));
    await connection.until(/a{2000}$/);
    const used = (await usage(postern))?.bytes_out?.used ?? 0;
    expect(used).toBeGreaterThan(2_200);
    secure.write('b'.repeat(8_000));
    await connection.untilEnded();
    expect(connection.received).toMatch(/a{2000}$/);
    const line = await postern.audited({ code: 'RATE_LIMITED' });
    expect(line).toMatchObject({ protocol: 'tunnel', rule: 'pin', status: 200 });
    expect(line.bytes_out).toBeLessThanOrEqual(8_192);
    await untilNoneInFlight(postern);
    // What is left is less than a whole tunnel needs, but it is something.
    expect((await usage(postern))?.bytes_out?.available).toBeGreaterThan(0);
    await connectTunnel(postern.proxyPort, authority);
  });

  it('answer CONNECT with 429 when no more may be open, before anything is dialled', async () => {
    const { origin, postern, authority, open } = await pinned('concurrency: 1');
    const { client, connection } = await open();
    const other = await connectRaw(postern.proxyPort);
    other.send(connectHead(authority));
    const answer = await other.take(/^[\s\S]*\}\}\n/);
    expect(answer).toMatch(/^HTTP\/1\.1 429 RATE_LIMITED: Try again after the time in Retry-After\.\r\n/);
    expect(answer).toMatch(/^Retry-After: 1\r$/m);
    expect(answer).toMatch(/^RateLimit-Policy: "concurrency";q=1;qu="concurrent-requests"\r$/m);
    expect(origin.connections).toHaveLength(1);
    expect(await postern.audited({ code: 'RATE_LIMITED' })).toMatchObject({
      protocol: 'tunnel',
      rule: 'pin',
      status: 429,
    });
    client.socket.destroy();
    connection.socket.destroy();
    await untilNoneInFlight(postern);
    await open();
  });

  it('are given back by tunnels that never began', async () => {
    const { postern, authority } = await pinned('concurrency: 1');
    for (let round = 0; round < 3; round++) {
      const client = await connectTunnel(postern.proxyPort, authority);
      client.send('GET / HTTP/1.1\r\n\r\n');
      await client.untilEnded();
      await untilNoneInFlight(postern);
    }
    const lines = await postern.until(() => (postern.audit.length < 3 ? undefined : postern.audit));
    expect(lines.map(({ code }) => code)).toEqual(['PROTOCOL_DENIED', 'PROTOCOL_DENIED', 'PROTOCOL_DENIED']);
  });

  it('are given back when no connection can be made', async () => {
    const postern = await startPostern({
      policies:
        'version: 1\nrules:\n  - { name: pin, hosts: [origin.test], ports: [1], tls: passthrough, limits: { concurrency: 1 } }\n',
      ...loopback(),
    });
    for (let round = 0; round < 3; round++)
      await expect(connectTunnel(postern.proxyPort, 'origin.test:1')).rejects.toThrow(/502 CONNECT_FAILED/);
    expect(await usage(postern)).toMatchObject({ in_flight: 0 });
  });
});
