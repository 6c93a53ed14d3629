import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { TestAuthority } from '../support/certificates.ts';
import { closeOpened } from '../support/closing.ts';
import { type DnsServer, startDns } from '../support/dns.ts';
import { answering, type Origin, startOrigin } from '../support/origin.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel } from '../support/raw-client.ts';
import { certificateFor, loopback, SECRET, startScene } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const DENY_ALL = 'version: 1\nrules:\n  - { hosts: [unrelated.test] }\n';
const get = (authority: string, path = '/'): string => `GET ${path} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = createHash('sha1').update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
const handshake = (authority: string): string =>
  `GET /ws HTTP/1.1\r\nHost: ${authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n`;
const SWITCHING = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`;

/** Changes a file and waits until what it says is in force. */
async function change(postern: Postern, file: string, text: string): Promise<void> {
  postern.write(file, text);
  const answer = await fetch(`${postern.adminUrl}/v1/reload`, { method: 'POST' });
  if (answer.status !== 200) throw new Error(await answer.text());
}

const policyOf = (origin: Origin, more = ''): string => `version: 1
secrets:
  token: { file: ../secret.txt }
  other: { file: ../other.txt }
rules:
  - name: all
    hosts: [origin.test]
    ports: [${origin.port}]
    ${more}
`;

/** Runs `ending`, which must be over within the second that the contract gives it (and the time of a busy machine). */
async function withinASecond(ending: () => Promise<unknown>): Promise<void> {
  const startedMs = performance.now();
  await ending();
  expect(performance.now() - startedMs).toBeLessThan(1_500);
}

describe('a tighter policy', () => {
  it('answers a request that still waits for its answer with the denial', async () => {
    const { postern, origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(get(authority));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    await change(postern, 'policies/test.yaml', DENY_ALL);
    await withinASecond(() => client.until(/^HTTP\/1\.1 403 HOST_DENIED\r\n/));
    await connection.untilEnded();
  });

  it('cuts an answer that is streaming, so that it does not look complete', async () => {
    const { postern, origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(get(authority));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n###\r\n');
    await client.until(/###\r\n$/);
    await change(postern, 'policies/test.yaml', DENY_ALL);
    await withinASecond(() => client.untilEnded());
    expect(client.received).toMatch(/###\r\n$/);
    await connection.untilEnded();
    expect(await postern.audited({ path: '/' })).toMatchObject({ code: 'HOST_DENIED', status: 200, generation: 1 });
  });

  it('cuts a request whose body is still coming', async () => {
    const { postern, origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(`POST / HTTP/1.1\r\nHost: ${authority}\r\nContent-Length: 10\r\n\r\nabc`);
    const connection = await origin.next();
    await connection.until(/abc$/);
    await change(postern, 'policies/test.yaml', DENY_ALL);
    await withinASecond(() => client.until(/^HTTP\/1\.1 403 HOST_DENIED\r\n/));
    client.send('defghij');
    await connection.untilEnded();
    expect(connection.received).toMatch(/abc$/);
  });

  it.each([
    ['denies the host', () => DENY_ALL],
    ['refuses WebSockets', (origin: Origin) => policyOf(origin, 'websocket: false')],
    ['binds another secret', (origin: Origin) => policyOf(origin, 'inject: [{ bearer: "${other}" }]')],
    ['binds none', (origin: Origin) => policyOf(origin)],
  ])('that %s ends an open WebSocket', async (_name, next) => {
    const { postern, origin, authority, tunnel } = await startScene({ files: { 'other.txt': 'another-secret-1' } });
    const client = await tunnel();
    client.send(handshake(authority));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write(SWITCHING);
    await client.until(/\r\n\r\n$/);
    await change(postern, 'policies/test.yaml', next(origin));
    await withinASecond(() => Promise.all([client.untilEnded(), connection.untilEnded()]));
  });

  it('ends an open WebSocket whose client does not read', async () => {
    const { postern, origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(handshake(authority));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write(SWITCHING);
    await client.take(/\r\n\r\n$/);
    client.socket.pause();
    for (let written = 0; written < 32; written++) connection.socket.write(Buffer.alloc(1024 * 1024));
    await postern.until(() => (connection.socket.writableLength > 0 ? true : undefined));
    await change(postern, 'policies/test.yaml', DENY_ALL);
    await withinASecond(() => postern.audited({ protocol: 'ws' }));
  });

  it.each([
    ['denies the host', () => DENY_ALL],
    ['intercepts it', (port: number) => `version: 1\nrules:\n  - { hosts: [origin.test], ports: [${port}] }\n`],
    [
      'refuses its address',
      (port: number) =>
        `version: 1\nrules:\n  - { hosts: [origin.test], ports: [${port}], tls: passthrough }\nsubnets: { deny: [127.0.0.0/8] }\n`,
    ],
  ])('that %s ends an opaque tunnel', async (_name, next) => {
    const origin = await startOrigin({ tls: certificateFor('origin.test'), onConnection: answering(OK) });
    const base = loopback();
    const policies = `version: 1\nrules:\n  - { hosts: [origin.test], ports: [${origin.port}], tls: passthrough }\n`;
    const postern = await startPostern({ policies, ...base });
    const client = await connectTunnel(postern.proxyPort, `origin.test:${origin.port}`);
    await client.secure({ servername: 'origin.test', ca: base.files?.['origin-ca.pem'] });
    client.send(get('origin.test'));
    await client.take(/ok$/);
    const connection = await origin.next();
    await change(postern, 'policies/test.yaml', next(origin.port));
    await withinASecond(() => Promise.all([client.untilEnded(), connection.untilEnded()]));
    await postern.audited({ protocol: 'tunnel', decision: 'allow' });
  });

  it('ends a raw tunnel to an address that is no longer allowed', async () => {
    const origin = await startOrigin();
    const policies = (deny: string): string =>
      `version: 1\nsubnets:\n  allow: [{ cidr: 127.0.0.1/32, ports: [${origin.port}] }]\n${deny}`;
    const postern = await startPostern({ policies: policies(''), ...loopback() });
    const client = await connectTunnel(postern.proxyPort, `127.0.0.1:${origin.port}`);
    client.send('x');
    const connection = await origin.next();
    await connection.until(/x/);
    await change(postern, 'policies/test.yaml', policies('  deny: [127.0.0.1/32]\n'));
    await withinASecond(() => Promise.all([client.untilEnded(), connection.untilEnded()]));
  });
});

describe('a policy that is no tighter', () => {
  it('leaves a stream, a WebSocket and an opaque tunnel as they are', async () => {
    const other = await startOrigin({ tls: certificateFor('other.test'), onConnection: answering(OK) });
    const passthrough = `  - { hosts: [other.test], ports: [${other.port}], tls: passthrough }`;
    const { postern, origin, authority, tunnel } = await startScene({ rules: passthrough });
    const stream = await tunnel();
    stream.send(get(authority));
    const streaming = await origin.next();
    await streaming.until(/\r\n\r\n$/);
    streaming.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n');
    const socket = await tunnel();
    socket.send(handshake(authority));
    const upgraded = await origin.next();
    await upgraded.until(/\r\n\r\n$/);
    upgraded.socket.write(SWITCHING);
    await socket.until(/\r\n\r\n$/);
    const opaque = await connectTunnel(postern.proxyPort, `other.test:${other.port}`);
    await opaque.secure({ servername: 'other.test', ca: loopback().files?.['origin-ca.pem'] });
    await change(
      postern,
      'policies/test.yaml',
      `version: 1\nsecrets:\n  token: { file: ../secret.txt }\nrules:\n${passthrough}\n  - hosts: [origin.test, more.test]\n    ports: [${origin.port}]\n    inject: [{ bearer: "\${token}" }]\n`,
    );
    streaming.socket.write('1\r\nb\r\n0\r\n\r\n');
    await stream.until(/b\r\n0\r\n\r\n$/);
    upgraded.socket.write('frame');
    await socket.until(/frame$/);
    opaque.send(get('other.test'));
    await opaque.until(/ok$/);
  });
});

describe('a secret that changes', () => {
  it('cuts nothing, and is used by the next request on the same connection', async () => {
    const { postern, origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(get(authority, '/1'));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    await change(postern, 'secret.txt', 'rotated-secret-42\n');
    connection.socket.write(OK);
    await client.take(/ok$/);
    client.send(get(authority, '/2'));
    await connection.until(/GET \/2 [\s\S]*\r\n\r\n$/);
    connection.socket.write(OK);
    await client.take(/ok$/);
    const [, first = '', second = ''] = connection.received.split(/GET \/[12] /);
    expect(first).toContain(`Bearer ${SECRET}\r\n`);
    expect(second).toContain('Bearer rotated-secret-42\r\n');
    expect(origin.connections).toHaveLength(1);
    expect(await postern.audited({ path: '/1' })).toMatchObject({ code: null, generation: 1 });
  });
});

describe('a swap while something is only being opened', () => {
  /** Postern with a DNS server that holds its answers, so that whatever needs one waits. */
  async function slowScene(
    rule: string,
  ): Promise<{ postern: Postern; origin: Origin; dns: DnsServer; authority: string }> {
    const origin = await startOrigin({ tls: certificateFor('slow.test'), onConnection: answering(OK) });
    const dns = await startDns({ 'slow.test': ['127.0.0.1'] });
    const base = loopback();
    const postern = await startPostern({
      policies: `version: 1\nrules:\n  - { hosts: [slow.test], ports: [${origin.port}], ${rule} }\n`,
      files: base.files ?? {},
      settings: {
        upstream: { trust: ['origin-ca.pem'], dns: [`127.0.0.1:${dns.port}`], allow_addresses: ['127.0.0.0/8'] },
        limits: { dns_cache: '1ms' },
      },
    });
    return { postern, origin, dns, authority: `slow.test:${origin.port}` };
  }

  it('an opaque tunnel that the new policy does not open is refused, although it was decided before', async () => {
    const { postern, origin, dns, authority } = await slowScene('tls: passthrough');
    dns.hold();
    const client = await connectRaw(postern.proxyPort);
    client.send(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await dns.asked('slow.test');
    await change(postern, 'policies/test.yaml', DENY_ALL);
    dns.release();
    expect(await client.untilEnded()).toMatch(/^HTTP\/1\.1 403 HOST_DENIED/);
    expect(origin.connections.every(({ received }) => received === '')).toBe(true);
  });

  it('a request that the new policy denies is answered at once, and does not wait for its address', async () => {
    const { postern, origin, dns } = await slowScene('schemes: [http]');
    dns.hold();
    const client = await connectRaw(postern.proxyPort);
    client.send(get(`slow.test:${origin.port}`, `http://slow.test:${origin.port}/`));
    await dns.asked('slow.test');
    await change(postern, 'policies/test.yaml', DENY_ALL);
    await withinASecond(() => client.until(/^HTTP\/1\.1 403 HOST_DENIED\r\n/));
    dns.release();
    expect(origin.connections).toHaveLength(0);
  });

  it('a request never gets an address that the new policy refuses', async () => {
    const { postern, origin, dns } = await slowScene('schemes: [http]');
    dns.hold();
    const client = await connectRaw(postern.proxyPort);
    client.send(get(`slow.test:${origin.port}`, `http://slow.test:${origin.port}/`));
    await dns.asked('slow.test');
    await change(
      postern,
      'policies/test.yaml',
      `version: 1\nrules:\n  - { hosts: [slow.test], ports: [${origin.port}], schemes: [http] }\nsubnets: { deny: [127.0.0.1/32] }\n`,
    );
    dns.release();
    await client.until(/^HTTP\/1\.1 403 ADDRESS_DENIED\r\n/);
    expect(origin.connections.every(({ received }) => received === '')).toBe(true);
  });
});

describe('a connection that was in use during a swap', () => {
  it('is not used again under a trust that did not verify it', async () => {
    const { postern, origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(get(authority, '/1'));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    postern.write('other-ca.pem', new TestAuthority('Another Root').pem);
    const { settings } = loopback();
    const upstream = { ...(settings?.upstream as object), trust: ['other-ca.pem'] };
    const listeners = { listen: { proxy: ['127.0.0.1:0'] }, admin: { listen: ['127.0.0.1:0'] } };
    await change(postern, 'postern.yaml', stringify({ version: 1, ...listeners, upstream }));
    connection.socket.write(OK);
    await client.take(/ok$/);
    client.send(get(authority, '/2'));
    await client.until(/^HTTP\/1\.1 502 TLS_UNTRUSTED\r\n/);
    expect(connection.received).not.toContain('/2');
  });
});

describe('a reload', () => {
  it('changes everything or nothing: a request between two changes never sees a mixture', async () => {
    const { postern, origin, authority, tunnel } = await startScene({
      origin: { onConnection: answering(OK) },
      files: { 'other.txt': 'another-secret-1' },
    });
    const client = await tunnel();
    const versions = [
      policyOf(origin, 'inject: [{ header: { name: x-gen, value: "a ${token}" } }]'),
      policyOf(origin, 'inject: [{ header: { name: x-gen, value: "b ${other}" } }]'),
    ];
    for (let round = 0; round < 6; round++) {
      const changed = change(postern, 'policies/test.yaml', versions[round % 2] ?? '');
      for (let request = 0; request < 10; request++) {
        client.send(get(authority, `/${round}`));
        await client.take(/ok$/);
      }
      await changed;
    }
    const pairs = new Set(
      [...(origin.connections[0]?.received ?? '').matchAll(/x-gen: (.*)\r\n/g)].map(([, value]) => value),
    );
    expect([...pairs].sort()).toEqual([`a ${SECRET}`, 'b another-secret-1']);
  });

  it('that does not load keeps the last good policy, and says where it is wrong', async () => {
    const { postern, authority, tunnel } = await startScene({ origin: { onConnection: answering(OK) } });
    postern.write('policies/test.yaml', 'version: 1\nrules:\n  - { hosts: ["*.com"] }\n');
    const answer = await fetch(`${postern.adminUrl}/v1/reload`, { method: 'POST' });
    expect(answer.status).toBe(422);
    expect(await answer.text()).toContain('test.yaml');
    const client = await tunnel();
    client.send(get(authority));
    await client.take(/ok$/);
    expect(await (await fetch(`${postern.adminUrl}/metrics`)).text()).toMatch(/^postern_policy_generation 1$/m);
  });
});
