import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { SECRET, startScene } from '../support/scene.ts';

closeOpened();

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = createHash('sha1').update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

const handshake = (authority: string, fields = ''): string =>
  `GET /chat HTTP/1.1\r\nHost: ${authority}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n` +
  `Sec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n${fields}\r\n`;
const switching = (accept = ACCEPT): string =>
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;

describe('a WebSocket', () => {
  it('is opened with the credential, relays bytes both ways, and ends with both sides', async () => {
    const { postern, origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(handshake(authority));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    expect(connection.received).toContain(
      `Authorization: Bearer ${SECRET}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`,
    );
    connection.socket.write(`${switching()}\x81\x05hello`, 'latin1');
    await client.until(/\r\n\r\n\x81\x05hello$/);
    client.send('\x81\x85masked');
    await connection.until(/\x81\x85masked$/);
    client.end();
    await connection.untilEnded();
    connection.socket.end('bye');
    expect(await client.untilEnded()).toMatch(/bye$/);
    expect(await postern.audited({ protocol: 'ws' })).toMatchObject({
      status: 101,
      bytes_in: 10,
      bytes_out: 8,
      injected: ['token'],
    });
  });

  it('is refused where the rule has websocket: false, before the origin sees a byte', async () => {
    const { origin, authority, tunnel } = await startScene({ rule: 'websocket: false' });
    const client = await tunnel();
    client.send(handshake(authority));
    await client.until(/^HTTP\/1\.1 403 PROTOCOL_DENIED\r\n/);
    expect(origin.connections).toHaveLength(0);
  });

  it.each([
    ['a wrong Sec-WebSocket-Accept', switching('AAAAAAAAAAAAAAAAAAAAAAAAAAA=')],
    [
      'no Sec-WebSocket-Accept',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    ],
    [
      'another protocol',
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`,
    ],
  ])('is not opened by an answer with %s', async (_name, answer) => {
    const { origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(handshake(authority));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write(answer);
    await client.until(/^HTTP\/1\.1 502 RESPONSE_INVALID\r\n/);
    await connection.untilEnded();
  });

  it('that the origin refuses is an ordinary answer, and the next bytes are judged as requests', async () => {
    const { origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(`${handshake(authority)}GET /later HTTP/1.1\r\nHost: evil.test\r\n\r\n`);
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write('HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\nno');
    await client.until(/no[\s\S]*HTTP\/1\.1 421 TARGET_MISMATCH\r\n/);
    expect(connection.received).not.toContain('/later');
  });

  it.each(['h2c', 'tls/1.0', 'websocket, h2c'])(
    'is the only upgrade: %s is dropped as hop-by-hop',
    async (protocol) => {
      const { origin, authority, tunnel } = await startScene();
      const client = await tunnel();
      client.send(
        `GET / HTTP/1.1\r\nHost: ${authority}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: ${protocol}\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`,
      );
      const connection = await origin.next();
      await connection.until(/\r\n\r\n$/);
      expect(connection.received.toLowerCase()).not.toMatch(/upgrade|http2-settings/);
    },
  );
});
