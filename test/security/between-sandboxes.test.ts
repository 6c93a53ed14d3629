import type { TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { connectTo, expectUnharmed, getFrom, getInside, OK, refusalOf, refusalOn } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { metric } from '../support/observed.ts';
import { answering, type Origin, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel, type RawClient } from '../support/raw-client.ts';
import { certificateFor, loopback, seenBy } from '../support/scene.ts';

closeOpened();

const NAMES = ['one', 'two'] as const;
type Name = (typeof NAMES)[number];
const tokenOf = (name: Name): string => `token-of-${name}-0123456789`;
const secretOf = (name: Name): string => `secret-of-${name}-0123456789`;
const proof = (name: string, token: string): string =>
  `Proxy-Authorization: Basic ${Buffer.from(`${name}:${token}`).toString('base64')}\r\n`;
const as = (name: Name): string => proof(name, tokenOf(name));

/** Each sandbox may reach `origin.test` with a secret of its own; `other.test` is for one alone, and the method for two is GET. */
const policy = (name: Name, port: number, plain: number): string => `version: 1
sandbox: { name: ${name}, match: [{ token: { file: ../token-${name}.txt } }] }
secrets: { own: { file: ../secret-${name}.txt } }
rules:
  - { hosts: [origin.test], ports: [${port}], ${name === 'two' ? 'methods: [GET], ' : ''}inject: [{ bearer: "\${own}" }] }
  - { hosts: [plain.test], schemes: [http], ports: [${plain}], inject: [{ bearer: "\${own}" }] }
${name === 'one' ? `  - { hosts: [other.test], ports: [${port}], inject: [{ bearer: "\${own}" }] }` : ''}
`;

const scene = shared(
  async () => {
    const origin = await startOrigin({ tls: certificateFor('origin.test', 'other.test'), onConnection: answering(OK) });
    const plain = await startOrigin({ onConnection: answering(OK) });
    const base = loopback();
    const files: Record<string, string> = { ...base.files };
    for (const name of NAMES) {
      files[`token-${name}.txt`] = tokenOf(name);
      files[`secret-${name}.txt`] = secretOf(name);
    }
    const policies = Object.fromEntries(NAMES.map((name) => [`${name}.yaml`, policy(name, origin.port, plain.port)]));
    return { origin, plain, postern: await startPostern({ policies, ...base, files }) };
  },
  ({ postern }) => expectUnharmed(postern),
);

const authority = (host = 'origin.test'): string => `${host}:${scene().origin.port}`;

interface Session {
  readonly client: RawClient;
  readonly reused: boolean;
  /** A ticket of this connection. */
  readonly ticket: Buffer;
}

/** A TLS client in a tunnel of one sandbox, with a session taken elsewhere; resolves once it got a ticket and an answer. */
async function converse(name: Name, host: string, version: 'TLSv1.2' | 'TLSv1.3', session?: Buffer): Promise<Session> {
  const { postern } = scene();
  const client = await connectTunnel(postern.proxyPort, authority(host), as(name));
  const tickets: Buffer[] = [];
  await client.secure({
    servername: host,
    ca: postern.ca,
    minVersion: version,
    maxVersion: version,
    onSession: (bytes) => tickets.push(bytes),
    ...(session === undefined ? {} : { session }),
  });
  // What `secure` made is a TLSSocket.
  const reused = (client.socket as TLSSocket).isSessionReused();
  client.send(getInside(authority(host), `/${name}`));
  await client.take(/ok$/);
  // In TLS 1.3 the tickets come with the first answer, in TLS 1.2 with the handshake.
  const ticket = tickets.at(-1) ?? session;
  if (ticket === undefined) throw new Error('no ticket came');
  return { client, reused, ticket };
}

/** Every request that an origin saw carries the secret of the sandbox that its path names. */
function expectOwnSecrets(...origins: readonly Origin[]): void {
  const requests = origins.flatMap((origin) => seenBy(origin).split(/(?=^[A-Z]+ \/)/m)).filter((each) => each !== '');
  expect(requests.length).toBeGreaterThan(0);
  for (const request of requests) {
    const name = /^[A-Z]+ \/(one|two)/.exec(request)?.[1];
    expect(request).toContain(`Authorization: Bearer secret-of-${name}-`);
  }
}

describe('a TLS session that one sandbox took', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'over %s gives another nothing but its own: policy and credential are those of its tunnel',
    async (version) => {
      const { ticket } = await converse('one', 'origin.test', version);
      const { client } = await converse('two', 'origin.test', version, ticket);
      client.send(`POST /two HTTP/1.1\r\nHost: ${authority()}\r\nContent-Length: 0\r\n\r\n`);
      expect(await refusalOn(client)).toBe('403 METHOD_DENIED');
      expectOwnSecrets(scene().origin);
    },
  );

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'over %s for one host is not taken for another (CVE-2025-23419)',
    async (version) => {
      const { ticket } = await converse('one', 'origin.test', version);
      const again = await converse('one', 'origin.test', version, ticket);
      expect(again.reused).toBe(true);
      const elsewhere = await converse('one', 'other.test', version, ticket);
      expect(elsewhere.reused).toBe(false);
      expect((elsewhere.client.socket as TLSSocket).getPeerCertificate().subjectaltname).toBe('DNS:other.test');
    },
  );

  it('for a host that another may not reach opens no tunnel there', async () => {
    const { postern } = scene();
    await converse('one', 'other.test', 'TLSv1.3');
    expect(await refusalOf(postern, connectTo(authority('other.test'), as('two')))).toBe('403 HOST_DENIED');
  });

  it('for a host that another may not reach is no name in its tunnel', async () => {
    const { postern } = scene();
    const { ticket } = await converse('one', 'other.test', 'TLSv1.3');
    const client = await connectTunnel(postern.proxyPort, authority(), as('two'));
    await expect(client.secure({ servername: 'other.test', ca: postern.ca, session: ticket })).rejects.toThrow();
  });

  it('is not what a sealed ticket of nobody is: it is ignored, and the handshake is a full one', async () => {
    const { ticket } = await converse('one', 'origin.test', 'TLSv1.2');
    const forged = Buffer.from(ticket.map((byte, index) => (index > ticket.length - 40 ? byte ^ 0xff : byte)));
    const { reused } = await converse('two', 'origin.test', 'TLSv1.2', forged).catch(() => ({ reused: false }));
    expect(reused).toBe(false);
  });
});

describe('the cache of leaves', () => {
  it('is not filled by names that a sandbox may not reach, nor by other spellings of one that it may', async () => {
    const { postern } = scene();
    await converse('one', 'origin.test', 'TLSv1.3');
    await converse('two', 'origin.test', 'TLSv1.3');
    const minted = 'postern_leaf_certificates_total{outcome="minted"}';
    const before = await metric(postern, minted);
    for (const spelled of ['ORIGIN.test', 'origin.TEST', 'Origin.Test.', 'origin.test.']) {
      const client = await connectTunnel(postern.proxyPort, authority(spelled), as('two'));
      await client.secure({ servername: 'origin.test', ca: postern.ca });
    }
    for (const host of ['other.test', 'evil.test', 'x.origin.test'])
      await refusalOf(postern, connectTo(authority(host), as('two')));
    expect(await metric(postern, minted)).toBe(before);
  });
});

describe('a connection to an origin', () => {
  it('is not shared between sandboxes, in a tunnel or in plain HTTP', async () => {
    const { origin, plain, postern } = scene();
    for (let round = 0; round < 3; round++) {
      for (const name of NAMES) {
        const inside = await connectTunnel(postern.proxyPort, authority(), as(name));
        await inside.secure({ servername: 'origin.test', ca: postern.ca });
        inside.send(getInside(authority(), `/${name}`));
        await inside.take(/ok$/);
        const clear = await connectRaw(postern.proxyPort);
        clear.send(getFrom(`plain.test:${plain.port}`, `/${name}`, as(name)));
        await clear.take(/ok$/);
      }
    }
    for (const connection of [...origin.connections, ...plain.connections]) {
      const users = new Set(connection.received.match(/^GET \/\w+/gm));
      expect(users.size).toBeLessThanOrEqual(1);
    }
    expect(plain.connections).toHaveLength(2);
    expectOwnSecrets(origin, plain);
  });

  it('is not shared on one client connection that changes its token with each request', async () => {
    const { plain, postern } = scene();
    const client = await connectRaw(postern.proxyPort);
    for (const name of ['one', 'two', 'one', 'two'] as const) {
      client.send(getFrom(`plain.test:${plain.port}`, `/${name}`, as(name)));
      await client.take(/ok$/);
    }
    expectOwnSecrets(plain);
  });
});

describe('a sandbox', () => {
  it.each<readonly [string, string, string]>([
    ['without a token', '', '407 TOKEN_REQUIRED'],
    ['with the token of another', proof('two', tokenOf('one')), '407 TOKEN_REQUIRED'],
    ['with a name alone', proof('one', ''), '407 TOKEN_REQUIRED'],
    ['with a name in another case', proof('ONE', tokenOf('one')), '407 TOKEN_REQUIRED'],
    ['with a name that nobody has', proof('three', tokenOf('one')), '407 TOKEN_REQUIRED'],
    ['with a token and more', proof('one', `${tokenOf('one')}x`), '407 TOKEN_REQUIRED'],
    ['with half a token', proof('one', tokenOf('one').slice(0, -1)), '407 TOKEN_REQUIRED'],
    ['with a token and NUL', proof('one', `${tokenOf('one')}\0`), '407 TOKEN_REQUIRED'],
    ['with a bearer', as('one').replace('Basic', 'Bearer'), '407 TOKEN_REQUIRED'],
    ['with its token as Authorization', as('one').replace('Proxy-', ''), '407 TOKEN_REQUIRED'],
    ['with two tokens', as('one') + as('two'), '400 HEADERS_AMBIGUOUS'],
    ['with one token twice', as('one') + as('one'), '400 HEADERS_AMBIGUOUS'],
    [
      'with its token in a look-alike',
      as('one').replace('Proxy-Authorization', 'Proxy_Authorization'),
      '407 TOKEN_REQUIRED',
    ],
  ])('%s reaches nothing', async (_attack, fields, code) => {
    const { plain, postern } = scene();
    expect(await refusalOf(postern, connectTo(authority(), fields))).toBe(code);
    expect(await refusalOf(postern, getFrom(`plain.test:${plain.port}`, '/one', fields))).toBe(code);
  });

  it('is not another by what it sends inside its tunnel', async () => {
    const { postern } = scene();
    const client = await connectTunnel(postern.proxyPort, authority(), as('two'));
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    client.send(getInside(authority(), '/two', as('one')));
    await client.take(/ok$/);
    expectOwnSecrets(scene().origin);
  });
});
