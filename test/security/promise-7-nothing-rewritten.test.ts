import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel } from '../support/raw-client.ts';
import { certificateFor, loopback } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const OCTETS = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('');

/** Requests of a rule that injects nothing: what the client sends, and what the origin must get; null where it is the same. */
const REQUESTS: readonly (readonly [what: string, sent: string, received: string | null])[] = [
  ['a plain GET', 'GET / HTTP/1.1\r\nHost: H\r\n\r\n', null],
  [
    'order, case and duplicates',
    'GET / HTTP/1.1\r\nzZ: 1\r\nHost: H\r\nACCEPT: a\r\naccept: b\r\nZz: 2\r\nX-Empty:\r\n\r\n',
    'GET / HTTP/1.1\r\nzZ: 1\r\nHost: H\r\nACCEPT: a\r\naccept: b\r\nZz: 2\r\nX-Empty: \r\n\r\n',
  ],
  ['inner white space and 8-bit values', 'GET / HTTP/1.1\r\nHost: H\r\nX: a \t  b\xe9\xff\r\n\r\n', null],
  [
    'credentials of the client where nothing is injected',
    'GET / HTTP/1.1\r\nHost: H\r\nAuthorization: Bearer mine\r\nCookie: a=1; b=2\r\nCookie: c=3\r\nX-Api-Key: k\r\n\r\n',
    null,
  ],
  [
    'forwarding fields',
    'GET / HTTP/1.1\r\nHost: H\r\nVia: 1.1 x\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=x\r\n\r\n',
    null,
  ],
  [
    'every printable character in the target',
    `GET /a%2fb/%E2%82%AC/$&'()*+,;=:@-._~!|"<>\\^\`{}?q=%20+&q= HTTP/1.1\r\nHost: H\r\n\r\n`,
    null,
  ],
  ['an empty query', 'GET /? HTTP/1.1\r\nHost: H\r\n\r\n', null],
  ['dot segments where no rule has paths', 'GET /a/../b//c/./d HTTP/1.1\r\nHost: H\r\n\r\n', null],
  ['an unknown method', 'M-SEARCH /x HTTP/1.1\r\nHost: H\r\n\r\n', null],
  ['a method in lower case', 'get /x HTTP/1.1\r\nHost: H\r\n\r\n', null],
  ['OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: H\r\n\r\n', null],
  ['every octet in a body', `POST / HTTP/1.1\r\nHost: H\r\nContent-Length: 256\r\n\r\n${OCTETS}`, null],
  ['a body on GET', 'GET / HTTP/1.1\r\nHost: H\r\nContent-Length: 3\r\n\r\nabc', null],
  ['POST without a body', 'POST / HTTP/1.1\r\nHost: H\r\n\r\n', null],
  ['POST with an empty body', 'POST / HTTP/1.1\r\nHost: H\r\nContent-Length: 0\r\n\r\n', null],
  [
    'a coded body',
    `PUT / HTTP/1.1\r\nHost: H\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00`,
    null,
  ],
  [
    'TE: trailers',
    'GET / HTTP/1.1\r\nHost: H\r\nTE: trailers\r\nConnection: TE\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: H\r\nTE: trailers\r\nConnection: TE\r\n\r\n',
  ],
  [
    'Connection and what it nominates',
    'GET / HTTP/1.1\r\nHost: H\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nX: y\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: H\r\nX: y\r\n\r\n',
  ],
  [
    'chunks, trailers in their place',
    'POST / HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n03;ext=1\r\nabc\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: H\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n',
  ],
];

/** Answers that must reach the client as the origin sent them, or as given. */
const ANSWERS: readonly (readonly [what: string, sent: string, received: string | null])[] = [
  [
    'status text and field spelling',
    'HTTP/1.1 299 Fine,  \xe9 thanks\r\nx-ONE: 1\r\nX-One:  2 \r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 299 Fine,  \xe9 thanks\r\nx-ONE: 1\r\nX-One: 2\r\nContent-Length: 2\r\n\r\nok',
  ],
  ['an empty status text', 'HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok', null],
  ['cookies one by one', 'HTTP/1.1 200 OK\r\nSet-Cookie: a=1, b\r\nSet-Cookie: c=2\r\nContent-Length: 0\r\n\r\n', null],
  [
    'coded bodies',
    `HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nETag: W/"x"\r\nContent-Length: 256\r\n\r\n${OCTETS}`,
    null,
  ],
  [
    'interim answers',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    null,
  ],
  ['204', 'HTTP/1.1 204 No Content\r\nX: y\r\n\r\n', null],
  ['304 with the length of what it stands for', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n', null],
  [
    '416 and 206 fields',
    'HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nok',
    null,
  ],
  [
    'an error of the origin',
    'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n',
    null,
  ],
  [
    'Server, Date and Via of the origin, and none of ours',
    'HTTP/1.1 200 OK\r\nServer: s\r\nDate: d\r\nVia: 1.1 v\r\nContent-Length: 0\r\n\r\n',
    null,
  ],
  ['trailers', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n', null],
  [
    'what is hop-by-hop, a way around us, or ours',
    'HTTP/1.1 200 OK\r\nAlt-Svc: h3=":443"\r\nX-Postern-Id: fake\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  ],
];

async function start(onConnection: Parameters<typeof startOrigin>[0]) {
  const origin = await startOrigin({ tls: certificateFor('origin.test'), ...onConnection });
  const policies = `version: 1\nrules:\n  - { hosts: [origin.test], ports: [${origin.port}] }\n`;
  const postern = await startPostern({ policies, ...loopback() });
  const authority = `origin.test:${origin.port}`;
  const tunnel = async () => {
    const client = await connectTunnel(postern.proxyPort, authority);
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    return client;
  };
  return { origin, postern, authority, tunnel };
}

describe('a request', () => {
  it('reaches the origin byte for byte as its client sent it, hop-by-hop fields and chunk sizes aside', async () => {
    const { origin, authority, tunnel } = await start({});
    const got: Record<string, string> = {};
    const wanted: Record<string, string> = {};
    for (const [what, sent, received] of REQUESTS) {
      const text = (received ?? sent).replace('Host: H', `Host: ${authority}`);
      const before = origin.connections.length;
      const client = await tunnel();
      client.send(sent.replace('Host: H', `Host: ${authority}`));
      const connection = await origin.next();
      // One connection a request: the answer to each closes it.
      expect(origin.connections).toHaveLength(before + 1);
      await connection.until(new RegExp(`^[^]{${text.length}}`));
      connection.socket.end(OK.replace('\r\n', '\r\nConnection: close\r\n'));
      await client.until(/ok$/);
      got[what] = connection.received;
      wanted[what] = text;
    }
    expect(got).toEqual(wanted);
  });
});

describe('an answer', () => {
  it('reaches the client byte for byte as the origin sent it, hop-by-hop fields and chunk sizes aside', async () => {
    const { origin, authority, tunnel } = await start({});
    const client = await tunnel();
    let connection: Awaited<ReturnType<typeof origin.next>> | null = null;
    for (const [what, sent, received] of ANSWERS) {
      client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
      connection ??= await origin.next();
      await connection.until(/\r\n\r\n$/);
      connection.received = '';
      connection.socket.write(sent, 'latin1');
      const text = received ?? sent;
      await client.until(new RegExp(`^[^]{${text.length}}`));
      expect([what, client.received]).toEqual([what, text]);
      client.received = '';
    }
    expect(origin.connections).toHaveLength(1);
  });

  it('streams: each piece arrives before the next is sent, in both directions at once', async () => {
    const { origin, authority, tunnel } = await start({});
    const client = await tunnel();
    client.send(`POST / HTTP/1.1\r\nHost: ${authority}\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    for (const piece of ['one', 'two', 'six']) {
      client.send(`3\r\n${piece}\r\n`);
      await connection.until(new RegExp(`3\\r\\n${piece}\\r\\n$`));
      connection.socket.write(`3\r\n${piece}\r\n`);
      await client.until(new RegExp(`3\\r\\n${piece}\\r\\n$`));
    }
  });

  it('of 8 MiB in odd pieces is the same 8 MiB', async () => {
    const { origin, authority, tunnel } = await start({});
    const client = await tunnel();
    client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    const body = Buffer.alloc(8 * 1024 * 1024);
    for (let at = 0; at < body.length; at += 4) body.writeUInt32LE((at * 2654435761) >>> 0, at);
    const pieces: Buffer[] = [];
    client.socket.removeAllListeners('data');
    const done = new Promise<void>((resolve) => {
      let received = 0;
      client.socket.on('data', (bytes: Buffer) => {
        pieces.push(bytes);
        received += bytes.length;
        if (received >= body.length + 100) resolve();
      });
      client.socket.on('end', resolve);
    });
    connection.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`);
    for (let at = 0, size = 1; at < body.length; at += size, size = (size * 7) % 65_537)
      connection.socket.write(body.subarray(at, at + size));
    connection.socket.end();
    client.send(`GET /again HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`);
    const again = await origin.next();
    again.socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n${'z'.repeat(100)}`);
    await done;
    const all = Buffer.concat(pieces);
    const start1 = all.indexOf('\r\n\r\n') + 4;
    expect(all.subarray(start1, start1 + body.length).equals(body)).toBe(true);
  });
});

describe('plain HTTP', () => {
  it('changes the target to origin-form and nothing else', async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const policies = `version: 1\nrules:\n  - { hosts: [plain.test], schemes: [http], ports: [${origin.port}] }\n`;
    const postern = await startPostern({ policies, ...loopback() });
    const authority = `plain.test:${origin.port}`;
    for (const [target, form] of [
      [`http://${authority}/a?b`, '/a?b'],
      [`HTTP://Plain.Test:${origin.port}`, '/'],
      [`http://${authority}?q`, '/?q'],
    ]) {
      const client = await connectRaw(postern.proxyPort);
      client.send(`GET ${target} HTTP/1.1\r\nzZ: 1\r\nHost: ${authority}\r\nProxy-Authorization: Basic eDp5\r\n\r\n`);
      expect(await client.take(/ok$/)).toBe(OK);
      expect(
        origin.connections.at(-1)?.received.endsWith(`GET ${form} HTTP/1.1\r\nzZ: 1\r\nHost: ${authority}\r\n\r\n`),
      ).toBe(true);
    }
  });
});
