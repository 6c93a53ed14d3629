import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { answering } from '../support/origin.ts';
import { SECRET, startScene } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const get = (authority: string, path = '/', fields = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${authority}\r\n${fields}\r\n`;

describe('an exchange through an intercepted tunnel', () => {
  it('reaches the origin with the credential that the client never had, and is audited', async () => {
    const { postern, origin, authority, tunnel } = await startScene({ origin: { onConnection: answering(OK) } });
    const client = await tunnel();
    client.send(get(authority, '/a?b=c', 'X-One: 1\r\nx-one: 2\r\n'));
    expect(await client.take(/ok$/)).toBe(OK);
    const connection = await origin.next();
    expect(connection.received).toBe(
      `GET /a?b=c HTTP/1.1\r\nHost: ${authority}\r\nX-One: 1\r\nx-one: 2\r\nAuthorization: Bearer ${SECRET}\r\n\r\n`,
    );
    const line = await postern.audited({ host: 'origin.test', decision: 'allow' });
    expect(line).toMatchObject({
      sandbox: 'default',
      ingress: 'proxy',
      protocol: 'h1',
      method: 'GET',
      scheme: 'https',
      port: origin.port,
      path: '/a',
      rule: 'all',
      code: null,
      injected: ['token'],
      address: `127.0.0.1:${origin.port}`,
      status: 200,
      bytes_in: 2,
      tls: 'TLSv1.3',
    });
    expect(postern.stdout + postern.stderr).not.toContain(SECRET);
  });

  it('uses one upstream connection for requests one after another', async () => {
    const { origin, authority, tunnel } = await startScene({ origin: { onConnection: answering(OK) } });
    const client = await tunnel();
    for (const path of ['/1', '/2', '/3']) {
      client.send(get(authority, path));
      await client.take(/ok$/);
    }
    const other = await tunnel();
    other.send(get(authority, '/4'));
    await other.take(/ok$/);
    expect(origin.connections).toHaveLength(1);
  });

  it('answers pipelined requests in their order', async () => {
    const { origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(get(authority, '/1') + get(authority, '/2'));
    const first = await origin.next();
    await first.until(/GET \/1 [\s\S]*\r\n\r\n/);
    expect(first.received).not.toContain('/2');
    first.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none');
    await first.until(/GET \/2 [\s\S]*\r\n\r\n/);
    first.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo');
    await client.until(/one[\s\S]*two$/);
  });

  it('passes the answer as it came but for hop-by-hop fields', async () => {
    const answer =
      'HTTP/1.1 203 Fine  then\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nX-Odd:  y \r\nConnection: x-gone\r\nX-Gone: 1\r\nAlt-Svc: h3=":443"\r\nX-Postern-Error: FAKE\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok';
    const { authority, tunnel } = await startScene({ origin: { onConnection: answering(answer) } });
    const client = await tunnel();
    client.send(get(authority));
    expect(await client.take(/ok$/)).toBe(
      'HTTP/1.1 203 Fine  then\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nX-Odd: y\r\nContent-Length: 2\r\n\r\nok',
    );
  });

  it('passes a request body of declared length byte for byte', async () => {
    const { origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(`POST /up HTTP/1.1\r\nHost: ${authority}\r\nContent-Length: 10\r\n\r\n01234`);
    const connection = await origin.next();
    await connection.until(/01234$/);
    client.send('56789');
    await connection.until(/0123456789$/);
    expect(connection.received).toContain('\r\nContent-Length: 10\r\n');
    connection.socket.write(OK);
    await client.take(/ok$/);
  });

  it('passes chunks as they arrive, and trailers after them, in both directions', async () => {
    const { origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(
      `POST /up HTTP/1.1\r\nHost: ${authority}\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\n###\r\n`,
    );
    const connection = await origin.next();
    await connection.until(/\r\n\r\n3\r\n###\r\n$/);
    client.send('0\r\nX-Sum: 9\r\nAuthorization: evil\r\n\r\n');
    await connection.until(/0\r\nX-Sum: 9\r\n\r\n$/);
    expect(connection.received).not.toContain('evil');
    connection.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n');
    await client.until(/2\r\nok\r\n$/);
    connection.socket.write('0\r\nX-End: 1\r\n\r\n');
    expect(await client.take(/X-End: 1\r\n\r\n$/)).toBe(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-End: 1\r\n\r\n',
    );
    client.send(get(authority, '/again'));
    await connection.until(/GET \/again /);
  });

  it('lets a server-sent event leave as it arrives', async () => {
    const { origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(get(authority));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n');
    await client.until(/text\/event-stream\r\n/);
    for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
      connection.socket.write(event);
      await client.until(new RegExp(`\\r\\n9\\r\\n${event.trim()}\\n\\n\\r\\n$`));
    }
    connection.socket.end();
    await client.until(/\r\n0\r\n\r\n$/);
  });

  it('sends an answer that ends with its connection in chunks, so that its end shows whether it is whole', async () => {
    const { origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(get(authority));
    const first = await origin.next();
    await first.until(/\r\n\r\n$/);
    first.socket.end('HTTP/1.1 200 OK\r\n\r\nall of it');
    expect(await client.take(/0\r\n\r\n$/)).toBe(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nall of it\r\n0\r\n\r\n',
    );
    client.send(get(authority, '/again'));
    await (await origin.next()).until(/GET \/again /);
  });

  it('never completes an answer that ended with its connection, but without close_notify', async () => {
    const { postern, origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(get(authority));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write('HTTP/1.1 200 OK\r\n\r\nhalf of it');
    await client.until(/half of it\r\n$/);
    connection.socket.destroy();
    expect(await client.untilEnded()).toMatch(/half of it\r\n$/);
    expect(await postern.audited({ host: 'origin.test' })).toMatchObject({ code: 'UPSTREAM_RESET' });
  });

  it('passes interim answers on, and Expect with the 100 that answers it', async () => {
    const { origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(`PUT / HTTP/1.1\r\nHost: ${authority}\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n`);
    const connection = await origin.next();
    await connection.until(/Expect: 100-continue[\s\S]*\r\n\r\n$/);
    connection.socket.write('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n');
    await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 103 Early Hints\r\nLink: <\/a>\r\n\r\n$/);
    client.send('body');
    await connection.until(/body$/);
    connection.socket.write(OK);
    await client.until(/ok$/);
  });

  it.each([
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'],
    ['GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'],
  ])('ends the answer to %s at its head: %j', async (method, answer) => {
    const { origin, authority, tunnel } = await startScene({ origin: { onConnection: answering(answer) } });
    const client = await tunnel();
    client.send(`${method} / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    expect(await client.take(/\r\n\r\n$/)).toBe(answer);
    client.send(`${method} /2 HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    expect(await client.take(/\r\n\r\n$/)).toBe(answer);
    expect(origin.connections).toHaveLength(1);
  });

  it('serves an HTTP/1.0 client: Host added, chunks taken apart, the connection closed', async () => {
    const { origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send('GET /old HTTP/1.0\r\n\r\n');
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    expect(connection.received).toContain(`GET /old HTTP/1.1\r\nHost: ${authority}\r\n`);
    connection.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n');
    expect(await client.untilEnded()).toBe('HTTP/1.1 200 OK\r\n\r\nok');
  });

  it('serves from an HTTP/1.0 origin, whose connection is not used again', async () => {
    const { origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(get(authority));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.end('HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok');
    await client.take(/ok$/);
    client.send(get(authority, '/2'));
    const second = await origin.next();
    await second.until(/GET \/2 /);
  });
});

describe('when one side fails', () => {
  it('frees the upstream at once when the client leaves during the answer', async () => {
    const { postern, origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(get(authority));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n###');
    await client.until(/###$/);
    client.socket.destroy();
    await connection.untilEnded();
    expect(await postern.audited({ host: 'origin.test' })).toMatchObject({
      status: 200,
      bytes_in: 3,
      reason: expect.stringContaining('client'),
    });
  });

  it('frees the upstream at once when the client leaves before the answer', async () => {
    const { origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(get(authority));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    client.socket.destroy();
    await connection.untilEnded();
  });

  it.each([
    ['a declared length', 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n###'],
    ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n###\r\n'],
  ])('never makes a truncated answer of %s look complete', async (_name, answer) => {
    const { postern, origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(get(authority));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.end(answer);
    await client.untilEnded();
    expect(client.received).toBe(answer);
    expect(await postern.audited({ host: 'origin.test' })).toMatchObject({ code: 'UPSTREAM_RESET' });
  });

  it('answers 502 when the origin closes without an answer', async () => {
    const { origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(`POST / HTTP/1.1\r\nHost: ${authority}\r\nContent-Length: 1\r\n\r\nx`);
    const connection = await origin.next();
    await connection.until(/x$/);
    connection.socket.destroy();
    await client.until(/^HTTP\/1\.1 502 UPSTREAM_RESET\r\n[\s\S]*"code":"UPSTREAM_RESET"/);
  });

  it('sends a request again, once, when a kept connection turns out to be dead', async () => {
    const { origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(get(authority, '/1'));
    const first = await origin.next();
    await first.until(/\r\n\r\n$/);
    first.socket.write(OK);
    await client.take(/ok$/);
    first.socket.once('data', () => first.socket.destroy());
    client.send(get(authority, '/2'));
    const second = await origin.next();
    await second.until(/GET \/2 /);
    second.socket.write(OK);
    await client.take(/ok$/);
    expect(origin.connections).toHaveLength(2);
  });

  it('closes its side of the dead connection that another one took the place of', async () => {
    const { origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(get(authority, '/1'));
    const first = await origin.next();
    await first.until(/\r\n\r\n$/);
    first.socket.write(OK);
    await client.take(/ok$/);
    // An end, and no reset: the other direction stays open until Postern ends it too.
    first.socket.once('data', () => first.socket.end());
    client.send(get(authority, '/2'));
    const second = await origin.next();
    await second.until(/GET \/2 /);
    second.socket.write(OK);
    await client.take(/ok$/);
    await first.untilClosed();
    expect(second.closed).toBe(false);
  });

  it('relays an answer that comes before the whole request was sent, and closes', async () => {
    const { origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(`POST / HTTP/1.1\r\nHost: ${authority}\r\nContent-Length: 1000000\r\n\r\nabc`);
    const connection = await origin.next();
    await connection.until(/abc$/);
    connection.socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno');
    expect(await client.untilEnded()).toBe(
      'HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno',
    );
    await connection.untilEnded();
  });

  it('gives a client that ended its side its whole answer', async () => {
    const { origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(get(authority));
    client.end();
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write(OK);
    expect(await client.untilEnded()).toMatch(/ok$/);
  });

  it.each([
    ['an invalid head', 'HTTP/1.1 200 OK\nX: y\r\n\r\n'],
    ['conflicting framing', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok'],
    [
      '101 that nobody asked for',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    ],
    ['a flood of interim answers', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100)],
  ])('refuses an answer with %s', async (_name, answer) => {
    const { authority, tunnel } = await startScene({ origin: { onConnection: answering(answer) } });
    const client = await tunnel();
    client.send(get(authority));
    await client.until(/HTTP\/1\.1 502 RESPONSE_INVALID\r\n/);
  });

  it('does not use a connection on which bytes came that nobody asked for', async () => {
    const { origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(get(authority, '/1'));
    const first = await origin.next();
    await first.until(/\r\n\r\n$/);
    first.socket.write(`${OK}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale`);
    await client.take(/ok$/);
    await first.untilEnded();
    client.send(get(authority, '/2'));
    const second = await origin.next();
    await second.until(/GET \/2 /);
    second.socket.write(OK);
    expect(await client.take(/ok$/)).not.toContain('stale');
  });
});

describe('back-pressure', () => {
  it('holds a fast origin back while its client does not read, and loses nothing', async () => {
    const size = 64 * 1024 * 1024;
    const { origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.socket.pause();
    client.send(get(authority));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
    const block = Buffer.alloc(1024 * 1024, 'x');
    let written = 0;
    const write = (): void => {
      while (written < size) {
        written += block.length;
        if (!connection.socket.write(block)) return void connection.socket.once('drain', write);
      }
    };
    write();
    // Until nothing moves any more, what the kernel and the proxy hold is all that has left.
    let before = -1;
    while (before !== connection.socket.bytesWritten - connection.socket.writableLength) {
      before = connection.socket.bytesWritten - connection.socket.writableLength;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(before).toBeLessThan(size / 2);
    let received = 0;
    client.socket.removeAllListeners('data');
    await new Promise<void>((resolve) => {
      client.socket.on('data', (bytes: Buffer) => {
        received += bytes.length;
        if (received >= size) resolve();
      });
      client.socket.resume();
    });
    expect(received).toBeGreaterThan(size);
  });
});
