import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { expectUnharmed, getFrom, getInside, OK, refusalOn } from '../support/attack.ts';
import { closeOpened } from '../support/closing.ts';
import { metric, metricBecomes } from '../support/observed.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel } from '../support/raw-client.ts';
import { loopback, SECRET, seenBy, startPlainScene, startScene } from '../support/scene.ts';

// Each of these was measured on proxies in use: what an upgrade opens, and what connections lose, leak or cost.
closeOpened();

const WEBSOCKET = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
const ACCEPT = createHash('sha1')
  .update('dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11')
  .digest('base64');

describe('bytes after an upgrade request', () => {
  const upgrade = (protocol: string, more = ''): string => `Connection: Upgrade\r\nUpgrade: ${protocol}\r\n${more}`;

  it.each([
    ['that the origin refuses', upgrade('websocket', WEBSOCKET), '', 'HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\nno'],
    [
      'that the origin refuses with 426',
      upgrade('websocket', WEBSOCKET),
      '',
      'HTTP/1.1 426 No\r\nContent-Length: 2\r\n\r\nno',
    ],
    ['that the rule refuses', upgrade('websocket', WEBSOCKET), 'websocket: false', null],
    ['for h2c', upgrade('h2c'), '', OK],
    ['for TLS', upgrade('TLS/1.0'), '', OK],
    ['for two protocols', upgrade('websocket, h2c', WEBSOCKET), '', OK],
    ['of another WebSocket version', upgrade('websocket', WEBSOCKET.replace('13', '8')), '', OK],
    ['without a key', upgrade('websocket', 'Sec-WebSocket-Version: 13\r\n'), '', OK],
    ['without Connection', `Upgrade: websocket\r\n${WEBSOCKET}`, '', OK],
    ['that is not in the answer', upgrade('websocket', WEBSOCKET), '', OK],
  ])('%s are judged as requests (CVE-2026-73548)', async (_attack, fields, rule, answer) => {
    const { authority, tunnel, origin } = await startScene({ rule, origin: { onConnection: answering(answer ?? OK) } });
    const client = await tunnel();
    client.send(`${getInside(authority, '/up', fields)}TRACE /smuggled HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await client.until(/HTTP\/1\.1 403 METHOD_DENIED\r\n/);
    expect(client.received.match(/HTTP\/1\.1 \d+/g)).toHaveLength(2);
    expect(seenBy(origin)).not.toContain('/smuggled');
  });

  it('do not reach the origin before it accepts', async () => {
    const { authority, tunnel, origin } = await startScene();
    const client = await tunnel();
    client.send(`${getInside(authority, '/up', upgrade('websocket', WEBSOCKET))}early`);
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write(
      `HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`,
    );
    await connection.until(/\r\n\r\nearly$/);
  });

  it('do not bring nominated fields along: an upgrade is cleaned like any other request', async () => {
    const { authority, tunnel, origin } = await startScene();
    const client = await tunnel();
    const fields = `Connection: Upgrade, authorization, x-note\r\nUpgrade: websocket\r\nX-Note: secret\r\n${WEBSOCKET}`;
    client.send(getInside(authority, '/up', fields));
    const { received } = await origin
      .next()
      .then((connection) => connection.until(/[\s\S]*\r\n\r\n$/).then(() => connection));
    expect(received).toContain(`Authorization: Bearer ${SECRET}\r\n`);
    expect(received.toLowerCase()).not.toContain('x-note');
  });
});

describe('the process', () => {
  it('is not ended by "GET *" in a tunnel', async () => {
    const { postern, authority, tunnel } = await startScene({ origin: { onConnection: answering(OK) } });
    const client = await tunnel();
    client.send(getInside(authority, '*'));
    expect(await refusalOn(client)).toBe('400 TARGET_INVALID');
    const next = await tunnel();
    next.send(getInside(authority));
    await next.take(/ok$/);
    expectUnharmed(postern);
  });

  it('makes no key and no leaf for 200 idle CONNECTs, and serves the next one', async () => {
    const { postern, authority, tunnel } = await startScene({ origin: { onConnection: answering(OK) } });
    await Promise.all(Array.from({ length: 200 }, () => connectTunnel(postern.proxyPort, authority)));
    expect(await metric(postern, 'postern_leaf_certificates_total{outcome="minted"}')).toBe(0);
    const client = await tunnel();
    client.send(getInside(authority));
    await client.take(/ok$/);
    expect(await metric(postern, 'postern_leaf_certificates_total{outcome="minted"}')).toBe(1);
    expect(await metric(postern, 'postern_connections{side="client"}')).toBe(201);
  });

  it('keeps nothing of tunnels that are closed, at whatever point', async () => {
    const { postern, authority, tunnel } = await startScene({ origin: { onConnection: answering(OK) } });
    const descriptors = (): number => readdirSync(`/proc/${postern.child.pid}/fd`).length;
    const empty = (): Promise<void> => metricBecomes(postern, 'postern_connections{side="client"}', 0);
    (await tunnel()).socket.destroy();
    await empty();
    const before = descriptors();
    for (let round = 0; round < 40; round++) {
      const silent = await connectTunnel(postern.proxyPort, authority);
      const secure = await tunnel();
      const served = await tunnel();
      served.send(getInside(authority, '/', 'Connection: close\r\n'));
      await served.take(/ok$/);
      for (const { socket } of [silent, secure, served]) socket.destroy();
    }
    await empty();
    expect(await metric(postern, 'postern_tunnels')).toBe(0);
    // The upstream connection that the pool keeps, and those that ask for metrics.
    expect(descriptors()).toBeLessThanOrEqual(before + 4);
  });
});

describe('an opaque tunnel', () => {
  it.each(['client', 'origin'] as const)('leaves nothing behind, 60 of them closed by the %s first', async (side) => {
    const origin = await startOrigin();
    const subnets = `subnets:\n  allow: [{ cidr: 127.0.0.1/32, ports: [${origin.port}] }]\n`;
    const postern = await startPostern({ policies: `version: 1\n${subnets}`, ...loopback() });
    for (let round = 0; round < 60; round++) {
      const client = await connectTunnel(postern.proxyPort, `127.0.0.1:${origin.port}`);
      const connection = await origin.next();
      client.send('x');
      await connection.until(/x$/);
      // The end of one side is passed on, and the other side may still speak: only when both have ended is it over.
      const [first, second] = side === 'client' ? [client, connection] : [connection, client];
      first.socket.destroy();
      await second.untilEnded();
      second.socket.destroy();
    }
    await metricBecomes(postern, 'postern_tunnels', 0);
    await metricBecomes(postern, 'postern_connections{side="client"}', 0);
    await metricBecomes(postern, 'postern_connections{side="upstream"}', 0);
    expect(postern.audit.filter(({ protocol }) => protocol === 'tunnel').length).toBeGreaterThan(0);
    expectUnharmed(postern);
  });
});

describe('an upstream connection', () => {
  it('is used again: 30 requests one after another, of ten clients, are one handshake', async () => {
    const { authority, tunnel, origin } = await startScene({ origin: { onConnection: answering(OK) } });
    for (let round = 0; round < 10; round++) {
      const client = await tunnel();
      for (let request = 0; request < 3; request++) {
        client.send(getInside(authority, `/${round}/${request}`));
        await client.take(/ok$/);
      }
      client.socket.destroy();
    }
    expect(origin.connections).toHaveLength(1);
  });

  it('is kept for each of many at once: eight and then eight more are eight handshakes', async () => {
    const { authority, tunnel, origin } = await startScene();
    const clients = await Promise.all(Array.from({ length: 8 }, () => tunnel()));
    for (let round = 1; round <= 2; round++) {
      for (const client of clients) client.send(getInside(authority, `/${round}`));
      if (round === 1) for (let index = 0; index < 8; index++) await origin.next();
      await Promise.all(
        origin.connections.map((connection) => connection.until(new RegExp(`GET /${round} [\\s\\S]*\\r\\n\\r\\n$`))),
      );
      for (const { socket } of origin.connections) socket.write(OK);
      await Promise.all(clients.map((client) => client.take(/ok$/)));
    }
    expect(origin.connections).toHaveLength(8);
  });

  it.each([
    ['GET', 'GET / HTTP/1.1\r\nHost: A\r\n\r\n'],
    ['POST', 'POST / HTTP/1.1\r\nHost: A\r\nContent-Length: 4\r\n\r\nbody'],
  ])('that the origin dropped between two requests is no 502 to a %s', async (_method, request) => {
    const { postern, authority, tunnel, origin } = await startScene();
    const client = await tunnel();
    client.send(getInside(authority));
    const first = await origin.next();
    await first.until(/\r\n\r\n$/);
    first.socket.write(OK);
    await client.take(/ok$/);
    first.socket.destroy();
    await metricBecomes(postern, 'postern_connections{side="upstream"}', 0);
    client.send(request.replace('A', authority));
    const second = await origin.next();
    await second.until(/\r\n\r\n(body)?$/);
    second.socket.write(OK);
    expect(await client.take(/ok$/)).toBe(OK);
  });
});

describe('the end of one side', () => {
  it('does not cost a client its answer, in a tunnel', async () => {
    const { authority, tunnel, origin } = await startScene();
    const client = await tunnel();
    client.send(getInside(authority));
    client.end();
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write(OK);
    expect(await client.untilEnded()).toMatch(/ok$/);
  });

  it('does not cost a client its answer, in plain HTTP', async () => {
    const { authority, postern, origin } = await startPlainScene();
    const client = await connectRaw(postern.proxyPort);
    client.send(getFrom(authority));
    client.end();
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write(OK);
    expect(await client.untilEnded()).toMatch(/ok$/);
  });

  it.each(['client', 'origin'] as const)(
    'of a WebSocket, the %s, is passed on, and the other side may still speak',
    async (side) => {
      const { authority, tunnel, origin } = await startScene();
      const client = await tunnel();
      client.send(getInside(authority, '/ws', `Connection: Upgrade\r\nUpgrade: websocket\r\n${WEBSOCKET}`));
      const connection = await origin.next();
      await connection.until(/\r\n\r\n$/);
      connection.socket.write(
        `HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`,
      );
      await client.take(/\r\n\r\n/);
      if (side === 'client') {
        client.end();
        await connection.untilEnded();
        connection.socket.end('last');
        expect(await client.untilEnded()).toBe('last');
      } else {
        connection.socket.end();
        await client.untilEnded();
        client.send('last');
        await connection.until(/last$/);
      }
    },
  );
});

describe('100 Continue', () => {
  it("is the origin's to send: the proxy does not answer for it", async () => {
    const { authority, tunnel, origin } = await startScene();
    const client = await tunnel();
    client.send(`POST / HTTP/1.1\r\nHost: ${authority}\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n`);
    const connection = await origin.next();
    await connection.until(/Expect: 100-continue\r\n[\s\S]*\r\n\r\n$/);
    connection.socket.write('HTTP/1.1 417 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
    await client.until(/no$/);
    expect(client.received).toMatch(/^HTTP\/1\.1 417 No\r\n/);
  });
});
