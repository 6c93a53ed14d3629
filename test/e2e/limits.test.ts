import { connect } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { closeAfterTest, closeOpened } from '../support/closing.ts';
import { fullListener } from '../support/full-listener.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel } from '../support/raw-client.ts';
import { certificateFor, loopback, startScene } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const get = (authority: string, path = '/', fields = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${authority}\r\n${fields}\r\n`;

/** Runs `ending`, which a limit of one second must bring about: not before it, and not much later (sweeps, a busy machine). */
async function afterASecond(ending: () => Promise<unknown>): Promise<void> {
  const startedMs = performance.now();
  await ending();
  const tookMs = performance.now() - startedMs;
  expect(tookMs).toBeGreaterThan(600);
  expect(tookMs).toBeLessThan(2_500);
}

describe('the size of a head', () => {
  const field = (bytes: number): string => `X-Large: ${'x'.repeat(bytes)}\r\n`;

  it('may be more than is read at once, where the limit allows it, on both sides', async () => {
    const large = `HTTP/1.1 200 OK\r\n${field(150_000)}Content-Length: 2\r\n\r\nok`;
    const { origin, authority, tunnel } = await startScene({
      limits: { head_bytes: '256KiB' },
      origin: { onConnection: answering(large) },
    });
    const client = await tunnel();
    client.send(get(authority, '/', field(200_000)));
    expect(await client.take(/ok$/)).toBe(large);
    expect(origin.connections[0]?.received).toContain(field(200_000));
  });

  it('is refused at the first byte over the limit, however the bytes before were read', async () => {
    const { postern } = await startScene();
    const client = await connectRaw(postern.proxyPort);
    const begin = 'GET http://plain.test/ HTTP/1.1\r\nHost: plain.test\r\nX-Large: ';
    client.send(begin + 'x'.repeat(64 * 1024 - begin.length));
    // Whatever the reads before brought, this one makes it too large.
    await new Promise((resolve) => client.socket.write('x', resolve));
    await client.until(/^HTTP\/1\.1 431 HEADERS_TOO_LARGE\r\n/);
  });
});

describe('the time for a request head', () => {
  it('is over for one that stops: 408, and the connection is closed', async () => {
    const { postern } = await startScene({ limits: { client_head: '1s' } });
    const client = await connectRaw(postern.proxyPort);
    client.send('GET http://plain.test/ HTTP/1.1\r\nHost: pla');
    await afterASecond(() => client.untilEnded());
    expect(client.received).toMatch(/^HTTP\/1\.1 408 REQUEST_TIMEOUT\r\n/);
    expect(await postern.audited({ code: 'REQUEST_TIMEOUT' })).toMatchObject({ status: 408, decision: 'deny' });
  });

  it('is not prolonged by one byte after another', async () => {
    const { postern } = await startScene({ limits: { client_head: '1s' } });
    const client = await connectRaw(postern.proxyPort);
    const trickle = setInterval(() => client.send('a'), 50);
    await afterASecond(() => client.untilEnded());
    clearInterval(trickle);
    expect(client.received).toMatch(/^HTTP\/1\.1 408 REQUEST_TIMEOUT\r\n/);
  });

  it('is over for a client that sends nothing, which is told nothing', async () => {
    const { postern } = await startScene({ limits: { client_head: '1s' } });
    const client = await connectRaw(postern.proxyPort);
    await afterASecond(() => client.untilEnded());
    expect(client.received).toBe('');
  });

  it('is over for a tunnel in which nothing is said', async () => {
    const { postern, authority } = await startScene({ limits: { client_head: '1s' } });
    const client = await connectTunnel(postern.proxyPort, authority);
    await afterASecond(() => client.untilEnded());
    expect(client.received).toBe('');
  });

  it('is over for a ClientHello that stops', async () => {
    const { postern, authority } = await startScene({ limits: { client_head: '1s' } });
    const client = await connectTunnel(postern.proxyPort, authority);
    client.send('\x16\x03\x01\x02\x00\x01');
    await afterASecond(() => client.untilEnded());
  });
});

describe('a client in the TLS handshake', () => {
  it('that stops after its ClientHello is closed when the time for it is over', async () => {
    const { postern, authority } = await startScene({ limits: { tls: '1s' } });
    const client = await connectTunnel(postern.proxyPort, authority);
    // Sends the hello and never shows the TLS client what came back.
    const { socket } = client;
    const half = new Duplex({ read() {}, write: (chunk, _encoding, done) => void socket.write(chunk, () => done()) });
    const secure = closeAfterTest(connectTls({ socket: half, servername: 'origin.test' }), (open) => open.destroy());
    secure.on('error', () => {});
    await afterASecond(() => client.untilEnded());
    expect(await postern.audited({ code: 'TLS_FAILED' })).toMatchObject({ host: 'origin.test' });
  });
});

describe('a connection between two requests', () => {
  it('is closed without a word when it was idle for too long', async () => {
    const { authority, tunnel } = await startScene({ limits: { idle: '1s' }, origin: { onConnection: answering(OK) } });
    const client = await tunnel();
    client.send(get(authority));
    await client.take(/ok$/);
    await afterASecond(() => client.untilEnded());
    expect(client.received).toBe('');
  });
});

describe('an origin', () => {
  it('that does not begin its answer is HEAD_TIMEOUT', async () => {
    const { postern, origin, authority, tunnel } = await startScene({ limits: { response_head: '1s' } });
    const client = await tunnel();
    client.send(get(authority));
    await afterASecond(() => client.until(/^HTTP\/1\.1 504 HEAD_TIMEOUT\r\n/));
    await (await origin.next()).untilEnded();
    expect(await postern.audited({ code: 'HEAD_TIMEOUT' })).toMatchObject({ status: 504, decision: 'allow' });
  });

  it('has the time that its rule gives it', async () => {
    const { authority, tunnel } = await startScene({ rule: 'response_head: 1s' });
    const client = await tunnel();
    client.send(get(authority));
    await afterASecond(() => client.until(/^HTTP\/1\.1 504 HEAD_TIMEOUT\r\n/));
  });

  it('that pauses in its answer for too long is cut off, visibly', async () => {
    const { postern, origin, authority, tunnel } = await startScene({ limits: { idle: '1s' } });
    const client = await tunnel();
    client.send(get(authority));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    const answer = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n';
    connection.socket.write(answer);
    await client.until(/a\r\n$/);
    await afterASecond(() => client.untilEnded());
    expect(client.received).toBe(answer);
    expect(await postern.audited({ code: 'IDLE_TIMEOUT' })).toMatchObject({ status: 200 });
  });

  it('that accepts no connection is CONNECT_TIMEOUT', async () => {
    const { port } = await fullListener();
    const policies = `version: 1\nrules:\n  - { hosts: [plain.test], schemes: [http], ports: [${port}] }\n`;
    const postern = await startPostern({ policies, ...loopback({ connect: '1s' }) });
    const client = await connectRaw(postern.proxyPort);
    client.send(get(`plain.test:${port}`, `http://plain.test:${port}/`));
    await afterASecond(() => client.until(/^HTTP\/1\.1 504 CONNECT_TIMEOUT\r\n/));
  });

  it('that never finishes the TLS handshake is TLS_FAILED', async () => {
    const origin = await startOrigin();
    const policies = `version: 1\nrules:\n  - { hosts: [origin.test], ports: [${origin.port}] }\n`;
    const postern = await startPostern({ policies, ...loopback({ tls: '1s' }) });
    const client = await connectTunnel(postern.proxyPort, `origin.test:${origin.port}`);
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    client.send(get(`origin.test:${origin.port}`));
    await afterASecond(() => client.until(/^HTTP\/1\.1 502 TLS_FAILED\r\n/));
  });
});

describe('a request body', () => {
  it('that pauses for too long ends the request, and is not called a late answer', async () => {
    const { postern, origin, authority, tunnel } = await startScene({ limits: { idle: '1s' } });
    const client = await tunnel();
    client.send(`POST / HTTP/1.1\r\nHost: ${authority}\r\nContent-Length: 10\r\n\r\nabc`);
    const connection = await origin.next();
    await connection.until(/abc$/);
    await afterASecond(() => client.until(/^HTTP\/1\.1 504 IDLE_TIMEOUT\r\n/));
    await connection.untilEnded();
    expect(await postern.audited({ code: 'IDLE_TIMEOUT' })).toMatchObject({ bytes_out: 3 });
  });
});

describe('a tunnel', () => {
  it('is closed when nothing moves in it for tunnel_idle, and not before', async () => {
    const origin = await startOrigin();
    const policies = `version: 1\nsubnets:\n  allow: [{ cidr: 127.0.0.1/32, ports: [${origin.port}] }]\n`;
    const postern = await startPostern({ policies, ...loopback({ tunnel_idle: '1s' }) });
    const client = await connectTunnel(postern.proxyPort, `127.0.0.1:${origin.port}`);
    for (let round = 0; round < 3; round++) {
      client.send('x');
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    expect(client.ended).toBe(false);
    await client.untilEnded();
    expect(await postern.audited({ protocol: 'tunnel' })).toMatchObject({ code: 'IDLE_TIMEOUT', bytes_out: 3 });
  });
});

describe('a head', () => {
  it.each([
    ['of too many bytes', `X: ${'a'.repeat(5_000)}\r\n`],
    ['of too many fields', 'X: y\r\n'.repeat(60)],
    ['that never ends', `X: ${'a'.repeat(100_000)}`],
  ])('%s is refused, inside a tunnel and outside', async (_name, fields) => {
    const { postern, authority, tunnel, origin } = await startScene({
      limits: { head_bytes: '4KiB', head_fields: 50 },
    });
    const outside = await connectRaw(postern.proxyPort);
    outside.send(get('plain.test', 'http://plain.test/', fields));
    expect(await outside.untilEnded()).toMatch(/^HTTP\/1\.1 431 HEADERS_TOO_LARGE\r\n/);
    const inside = await tunnel();
    inside.send(get(authority, '/', fields));
    expect(await inside.untilEnded()).toMatch(/^HTTP\/1\.1 431 HEADERS_TOO_LARGE\r\n/);
    expect(origin.connections).toHaveLength(0);
  });

  it('of an answer is bounded as well', async () => {
    const { authority, tunnel } = await startScene({
      limits: { head_bytes: '4KiB' },
      origin: { onConnection: answering(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(5_000)}\r\nContent-Length: 0\r\n\r\n`) },
    });
    const client = await tunnel();
    client.send(get(authority));
    await client.until(/^HTTP\/1\.1 502 RESPONSE_INVALID\r\n/);
  });

  it('counts trailers of a request with it', async () => {
    const { authority, tunnel } = await startScene({ limits: { head_bytes: '4KiB' } });
    const client = await tunnel();
    client.send(
      `POST / HTTP/1.1\r\nHost: ${authority}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ${'a'.repeat(5_000)}`,
    );
    await client.until(/^HTTP\/1\.1 4\d\d [A-Z_]+\r\n/);
  });
});

describe('connections', () => {
  const plain = (port: number): string =>
    `version: 1\nrules:\n  - { hosts: [plain.test], schemes: [http], ports: [${port}] }\n`;
  const overloaded = /^HTTP\/1\.1 503 OVERLOADED[^\r]*\r\n[\s\S]*Retry-After: 1\r\n/;

  it('past the limit are told so and closed; when one leaves there is room for another', async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const postern = await startPostern({ policies: plain(origin.port), ...loopback({ connections: 2 }) });
    const first = await connectRaw(postern.proxyPort);
    const second = await connectRaw(postern.proxyPort);
    await connectionCount(postern, 2);
    const third = await connectRaw(postern.proxyPort);
    expect(await third.untilEnded()).toMatch(overloaded);
    expect(await postern.audited({ code: 'OVERLOADED' })).toMatchObject({ status: 503, decision: 'deny' });
    first.socket.destroy();
    await connectionCount(postern, 1);
    const fourth = await connectRaw(postern.proxyPort);
    fourth.send(get(`plain.test:${origin.port}`, `http://plain.test:${origin.port}/`));
    await fourth.take(/ok$/);
    second.socket.destroy();
  });

  it('of one sandbox have a limit of their own, also for connections that never ask for anything', async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const policies = {
      'a.yaml': plain(origin.port).replace('\n', '\nsandbox: { name: a, match: [{ source: 127.0.0.1/32 }] }\n'),
      'b.yaml': plain(origin.port).replace('\n', '\nsandbox: { name: b, match: [{ source: 127.0.0.2/32 }] }\n'),
    };
    const postern = await startPostern({ policies, ...loopback({ connections_per_sandbox: 1 }) });
    await connectRaw(postern.proxyPort);
    await connectionCount(postern, 1);
    const second = await connectRaw(postern.proxyPort);
    expect(await second.untilEnded()).toMatch(overloaded);
    const other = connect({ port: postern.proxyPort, host: '127.0.0.1', localAddress: '127.0.0.2' });
    closeAfterTest(other, (socket) => socket.destroy());
    other.write(get(`plain.test:${origin.port}`, `http://plain.test:${origin.port}/`));
    const answer = await new Promise<string>((resolve) => other.once('data', (bytes) => resolve(bytes.toString())));
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('are capped by the descriptor limit, with a warning', async () => {
    const postern = await startPostern({ policies: 'version: 1\nrules: []\n', ...loopback(), descriptors: 100 });
    await postern.logged(/ulimit -n[^\n]*/);
    const clients = await Promise.all(Array.from({ length: 18 }, () => connectRaw(postern.proxyPort)));
    await connectionCount(postern, 18);
    const oneMore = await connectRaw(postern.proxyPort);
    expect(await oneMore.untilEnded()).toMatch(overloaded);
    expect(clients.every(({ ended }) => !ended)).toBe(true);
  });

  it('of a sandbox that tokens tell are counted from the request that tells, tunnels and plain HTTP alike', async () => {
    const origin = await startOrigin({ tls: certificateFor('origin.test'), onConnection: answering(OK) });
    const policies = `version: 1
sandbox: { name: vm, match: [{ token: { file: ../token.txt } }] }
rules:
  - { hosts: [origin.test], ports: [${origin.port}] }
`;
    const base = loopback({ connections_per_sandbox: 1 });
    const files = { ...base.files, 'token.txt': 'a-token-0123456789' };
    const postern = await startPostern({ policies, ...base, files });
    const token = `Proxy-Authorization: Basic ${Buffer.from('vm:a-token-0123456789').toString('base64')}\r\n`;
    await connectTunnel(postern.proxyPort, `origin.test:${origin.port}`, token);
    const plainHttp = await connectRaw(postern.proxyPort);
    plainHttp.send(get('origin.test', 'http://origin.test/', token));
    expect(await plainHttp.untilEnded()).toMatch(overloaded);
    await expect(connectTunnel(postern.proxyPort, `origin.test:${origin.port}`, token)).rejects.toThrow(
      /503 OVERLOADED/,
    );
  });
});

/** Waits until the proxy counts that many client connections. */
async function connectionCount(postern: Postern, count: number): Promise<void> {
  const wanted = new RegExp(`^postern_connections\\{side="client"\\} ${count}$`, 'm');
  for (;;) {
    const text = await (await fetch(`${postern.adminUrl}/metrics`)).text();
    if (wanted.test(text)) return;
  }
}
