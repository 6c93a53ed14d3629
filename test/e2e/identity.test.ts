import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { closeAfterTest, closeOpened } from '../support/closing.ts';
import { answering, type Origin, startOrigin } from '../support/origin.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel, RawClient } from '../support/raw-client.ts';
import { certificateFor, loopback } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const TOKENS: Readonly<Record<string, string>> = { one: 'token-of-one-0123456789', two: 'token-of-two-0123456789' };

const basic = (name: string, token = TOKENS[name] ?? ''): string =>
  `Proxy-Authorization: Basic ${Buffer.from(`${name}:${token}`).toString('base64')}\r\n`;

/** A policy of one sandbox that allows the plain-HTTP origin, and marks its requests. */
const policy = (name: string, match: string, port: number, host = 'plain.test'): string => `version: 1
sandbox: { name: ${name}, match: [${match}] }
secrets: { mark: { file: ../mark-${name}.txt } }
rules:
  - name: ${name}-rule
    hosts: [${host}]
    schemes: [http, https]
    ports: [${port}]
    inject: [{ header: { name: x-mark, value: "\${mark}" } }]
`;

const byToken = (name: string): string => `{ token: { file: ../token-${name}.txt } }`;

async function start(
  policies: (port: number) => Readonly<Record<string, string>>,
  tls = false,
): Promise<{ postern: Postern; origin: Origin }> {
  const origin = await startOrigin({
    onConnection: answering(OK),
    ...(tls ? { tls: certificateFor('origin.test') } : {}),
  });
  const base = loopback();
  const files = { ...base.files };
  for (const [name, token] of Object.entries(TOKENS)) files[`token-${name}.txt`] = token;
  for (const name of ['one', 'two', 'rest']) files[`mark-${name}.txt`] = `mark-of-${name}`;
  const postern = await startPostern({ policies: policies(origin.port), ...base, files });
  return { postern, origin };
}

const plainGet = (origin: Origin, fields = ''): string =>
  `GET http://plain.test:${origin.port}/ HTTP/1.1\r\nHost: plain.test:${origin.port}\r\n${fields}\r\n`;

async function connectFrom(localAddress: string, port: number): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', localAddress, allowHalfOpen: true });
  const client = new RawClient(closeAfterTest(socket, () => socket.destroy()));
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return client;
}

describe('a sandbox that its token tells', () => {
  const policies = (port: number): Record<string, string> => ({
    'one.yaml': policy('one', byToken('one'), port),
    'two.yaml': policy('two', byToken('two'), port),
  });

  it.each([
    ['absent', ''],
    ['wrong', basic('one', 'no')],
    ["another sandbox's", basic('one', TOKENS.two)],
    ['of a sandbox that does not exist', basic('three', TOKENS.one)],
    ['empty', basic('one', '')],
    ['not Basic', 'Proxy-Authorization: Bearer token-of-one-0123456789\r\n'],
    ['not base64', 'Proxy-Authorization: Basic %%%\r\n'],
  ])('is 407 on CONNECT and in plain HTTP when the token is %s', async (_name, fields) => {
    const { postern, origin } = await start(policies);
    const client = await connectRaw(postern.proxyPort);
    client.send(`CONNECT plain.test:${origin.port} HTTP/1.1\r\nHost: plain.test:${origin.port}\r\n${fields}\r\n`);
    await client.until(
      /^HTTP\/1\.1 407 TOKEN_REQUIRED: [^\r]+\r\n[\s\S]*Proxy-Authenticate: Basic realm="postern"\r\n/,
    );
    const other = await connectRaw(postern.proxyPort);
    other.send(plainGet(origin, fields));
    await other.until(/^HTTP\/1\.1 407 TOKEN_REQUIRED\r\n[\s\S]*Proxy-Authenticate: Basic realm="postern"\r\n/);
    expect(origin.connections).toHaveLength(0);
    expect(postern.stdout + postern.stderr).not.toMatch(/token-of-/);
  });

  it('may answer the 407 on the same connection', async () => {
    const { postern, origin } = await start(policies);
    const client = await connectRaw(postern.proxyPort);
    const connectHead = `CONNECT plain.test:${origin.port} HTTP/1.1\r\nHost: plain.test:${origin.port}\r\n`;
    client.send(`${connectHead}\r\n`);
    await client.take(/^HTTP\/1\.1 407 [\s\S]*\}\}\n$/);
    client.send(`${connectHead}${basic('one')}\r\n`);
    await client.take(/^HTTP\/1\.1 200 OK\r\n\r\n$/);
    client.send(`GET / HTTP/1.1\r\nHost: plain.test:${origin.port}\r\n\r\n`);
    await client.take(/ok$/);
    expect(origin.connections[0]?.received).toMatch(/x-mark: mark-of-one\r\n/i);
  });

  it('is told request by request in plain HTTP, and the token goes no further', async () => {
    const { postern, origin } = await start(policies);
    const client = await connectRaw(postern.proxyPort);
    for (const name of ['one', 'two', 'one']) {
      client.send(plainGet(origin, basic(name)));
      await client.take(/ok$/);
    }
    client.send(plainGet(origin));
    await client.take(/^HTTP\/1\.1 407 /);
    const seen = origin.connections.map(({ received }) => received).join('');
    expect(seen.match(/mark-of-one/g)).toHaveLength(2);
    expect(seen.match(/mark-of-two/g)).toHaveLength(1);
    expect(seen).not.toMatch(/proxy-authorization|Basic/i);
    // One sandbox never uses a connection of another.
    for (const { received } of origin.connections) expect(new Set(received.match(/mark-of-\w+/g)).size).toBe(1);
  });

  it('keeps a tunnel to itself: what is sent inside is no evidence', async () => {
    const { postern, origin } = await start(
      (port) => ({
        'one.yaml': policy('one', byToken('one'), port, 'origin.test'),
        'two.yaml': policy('two', byToken('two'), port, 'other.test'),
      }),
      true,
    );
    const authority = `origin.test:${origin.port}`;
    await expect(connectTunnel(postern.proxyPort, authority, basic('two'))).rejects.toThrow(/403 HOST_DENIED/);
    const client = await connectTunnel(postern.proxyPort, authority, basic('one'));
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n${basic('two')}\r\n`);
    await client.take(/ok$/);
    expect(await postern.audited({ host: 'origin.test', method: 'GET' })).toMatchObject({ sandbox: 'one' });
    expect(origin.connections[0]?.received).not.toMatch(/proxy-authorization/i);
  });

  it('is refused when two tokens came', async () => {
    const { postern, origin } = await start(policies);
    for (const request of [
      plainGet(origin, basic('one') + basic('two')),
      `CONNECT plain.test:${origin.port} HTTP/1.1\r\n${basic('one')}${basic('two')}\r\n`,
    ]) {
      const client = await connectRaw(postern.proxyPort);
      client.send(request);
      await client.until(/^HTTP\/1\.1 400 HEADERS_AMBIGUOUS/);
    }
    expect(origin.connections).toHaveLength(0);
  });
});

describe('a sandbox that its address tells', () => {
  const policies = (port: number): Record<string, string> => ({
    'one.yaml': policy('one', '{ source: 127.0.0.0/8 }', port),
    'two.yaml': policy('two', '{ source: 127.0.0.2/32 }', port),
  });

  it('is the one with the longest block', async () => {
    const { postern, origin } = await start(policies);
    for (const [address, name] of [
      ['127.0.0.1', 'one'],
      ['127.0.0.2', 'two'],
    ] as const) {
      const client = await connectFrom(address, postern.proxyPort);
      client.send(plainGet(origin));
      await client.take(/ok$/);
      expect(await postern.audited({ sandbox: name })).toMatchObject({ rule: `${name}-rule`, status: 200 });
    }
  });

  it('cannot be left behind by a reset before the connection is accepted', async () => {
    const { postern, origin } = await start((port) => ({
      'one.yaml': policy('one', '{ source: 127.0.0.1/32 }', port, 'unrelated.test'),
      'rest.yaml': policy('rest', '{ any: true }', port),
    }));
    postern.child.kill('SIGSTOP');
    for (let attempt = 0; attempt < 5; attempt++) {
      const client = await connectRaw(postern.proxyPort);
      await new Promise<void>((resolve) => client.socket.write(plainGet(origin), () => resolve()));
      client.socket.resetAndDestroy();
      await client.untilClosed();
    }
    postern.child.kill('SIGCONT');
    // Accepted after them, so that they are dealt with when it is answered.
    const client = await connectRaw(postern.proxyPort);
    client.send(plainGet(origin));
    await client.take(/^HTTP\/1\.1 403 HOST_DENIED\r\n/);
    await postern.audited({ sandbox: 'one' });
    expect(postern.audit.filter(({ sandbox }) => sandbox === 'rest')).toEqual([]);
    expect(origin.connections).toHaveLength(0);
  });
});

describe('a client', () => {
  it('that evidence makes two sandboxes is IDENTITY_CONFLICT', async () => {
    const { postern, origin } = await start((port) => ({
      'one.yaml': policy('one', '{ source: 127.0.0.1/32 }', port),
      'two.yaml': policy('two', byToken('two'), port),
    }));
    const client = await connectRaw(postern.proxyPort);
    client.send(plainGet(origin, basic('two')));
    await client.until(/^HTTP\/1\.1 403 IDENTITY_CONFLICT\r\n/);
    expect(origin.connections).toHaveLength(0);
    const known = await connectRaw(postern.proxyPort);
    known.send(plainGet(origin));
    await known.take(/ok$/);
    expect(await postern.audited({ sandbox: 'one', code: null })).toMatchObject({ rule: 'one-rule' });
  });

  it('that nothing tells is the fallback where there is one, and 403 where no token could help', async () => {
    const fallback = await start((port) => ({
      'one.yaml': policy('one', '{ source: 10.9.8.7/32 }', port),
      'rest.yaml': policy('rest', '{ any: true }', port),
    }));
    const client = await connectRaw(fallback.postern.proxyPort);
    client.send(plainGet(fallback.origin));
    await client.take(/ok$/);
    expect(await fallback.postern.audited({ sandbox: 'rest' })).toMatchObject({ rule: 'rest-rule' });
    const none = await start((port) => ({ 'one.yaml': policy('one', '{ source: 10.9.8.7/32 }', port) }));
    const unknown = await connectRaw(none.postern.proxyPort);
    unknown.send(plainGet(none.origin));
    await unknown.until(/^HTTP\/1\.1 403 IDENTITY_CONFLICT\r\n/);
  });
});
