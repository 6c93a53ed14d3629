import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { expectUnharmed, getInside, OK, refusalOn } from '../support/attack.ts';
import { issuedByLeaf, TestAuthority } from '../support/certificates.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { alpn, extension, hello, helloMessage, inRecords, serverNames, versions } from '../support/hello-bytes.ts';
import { answering, type OriginOptions, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectTunnel, type RawClient } from '../support/raw-client.ts';
import { certificateFor, certificateLike, loopback, SECRET, seenBy, startScene } from '../support/scene.ts';

closeOpened();

type Tls = NonNullable<OriginOptions['tls']>;

/** Certificates and protocols of servers that are not `origin.test`, or cannot prove it. */
const IMPOSTORS: readonly (readonly [what: string, tls: () => Tls, code: string])[] = [
  [
    'a certificate of another authority',
    () => new TestAuthority('Evil Root').issue({ names: ['origin.test'] }),
    'TLS_UNTRUSTED',
  ],
  [
    'a certificate of an authority of the same name',
    () => new TestAuthority('Origin Root').issue({ names: ['origin.test'] }),
    'TLS_UNTRUSTED',
  ],
  ['a certificate signed by a leaf', () => issuedByLeaf(certificateFor('evil.test'), 'origin.test'), 'TLS_UNTRUSTED'],
  ['a certificate for another name', () => certificateFor('other.test'), 'TLS_UNTRUSTED'],
  ['a certificate for a subdomain', () => certificateFor('a.origin.test'), 'TLS_UNTRUSTED'],
  ['a certificate for the parent', () => certificateFor('test'), 'TLS_UNTRUSTED'],
  ['a certificate for a wildcard below', () => certificateFor('*.origin.test'), 'TLS_UNTRUSTED'],
  ['a certificate for a wildcard of everything', () => certificateFor('*'), 'TLS_UNTRUSTED'],
  ['a certificate for the address', () => certificateFor('127.0.0.1'), 'TLS_UNTRUSTED'],
  ['a certificate with NUL behind the name', () => certificateFor('origin.test\0.evil.test'), 'TLS_UNTRUSTED'],
  [
    'a certificate with the name in its subject alone',
    () => certificateLike({ names: ['origin.test'], altNames: false }),
    'TLS_UNTRUSTED',
  ],
  ['a certificate that has expired', () => certificateLike({ names: ['origin.test'], days: -1 }), 'TLS_UNTRUSTED'],
  [
    'a certificate that is not valid yet',
    () => certificateLike({ names: ['origin.test'], sinceDays: 1 }),
    'TLS_UNTRUSTED',
  ],
  [
    'a certificate for clients',
    () => certificateLike({ names: ['origin.test'], usage: 'clientAuth' }),
    'TLS_UNTRUSTED',
  ],
  ['nothing newer than TLS 1.0', () => old('TLSv1'), 'TLS_FAILED'],
  ['nothing newer than TLS 1.1', () => old('TLSv1.1'), 'TLS_FAILED'],
  ['no certificate at all', () => weak('ADH-AES128-SHA256'), 'TLS_FAILED'],
  ['no encryption', () => weak('NULL-SHA256'), 'TLS_FAILED'],
];

const old = (version: 'TLSv1' | 'TLSv1.1'): Tls => ({
  ...certificateFor('origin.test'),
  minVersion: 'TLSv1',
  maxVersion: version,
  ciphers: 'ALL:@SECLEVEL=0',
});
const weak = (ciphers: string): Tls => ({
  ...certificateFor('origin.test'),
  maxVersion: 'TLSv1.2',
  ciphers: `${ciphers}:@SECLEVEL=0`,
});

describe('an upstream', () => {
  const scene = shared(
    async () => {
      const origins = await Promise.all(
        IMPOSTORS.map(([, tls]) => startOrigin({ tls: tls(), onConnection: answering(OK) })),
      );
      const policies = `version: 1
secrets: { token: { file: ../secret.txt } }
rules:
  - { hosts: [origin.test], ports: [${origins.map(({ port }) => port)}], inject: [{ bearer: "\${token}" }] }
`;
      // Verification must hold where the environment would switch it off.
      const postern = await startPostern({ policies, ...loopback(), env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } });
      return { origins, postern };
    },
    ({ postern }) => expectUnharmed(postern),
  );

  it.each(IMPOSTORS)('that shows %s is sent nothing', async (what, _tls, code) => {
    const { origins, postern } = scene();
    const origin = origins[IMPOSTORS.findIndex(([each]) => each === what)];
    const authority = `origin.test:${origin?.port}`;
    const client = await connectTunnel(postern.proxyPort, authority);
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    client.send(getInside(authority));
    expect(await refusalOn(client)).toBe(`502 ${code}`);
    expect(origin === undefined ? SECRET : seenBy(origin)).toBe('');
  });
});

const scene = shared(
  () => startScene({ origin: { onConnection: answering(OK) } }),
  ({ postern }) => expectUnharmed(postern),
);

const tunnel = (): Promise<RawClient> => connectTunnel(scene().postern.proxyPort, scene().authority);

describe('a client in a tunnel', () => {
  it.each<readonly [string, ConnectionOptions]>([
    ['nothing newer than TLS 1.0', { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' }],
    ['nothing newer than TLS 1.1', { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }],
    ['RSA key exchange', { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256:@SECLEVEL=0' }],
    ['CBC', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0' }],
    ['no encryption', { maxVersion: 'TLSv1.2', ciphers: 'NULL:@SECLEVEL=0' }],
    ['no certificate', { maxVersion: 'TLSv1.2', ciphers: 'aNULL:@SECLEVEL=0' }],
    ['HTTP/0.9', { ALPNProtocols: ['http/0.9'] }],
    ['another protocol', { ALPNProtocols: ['acme-tls/1', 'postgresql'] }],
  ])('that offers %s gets no connection', async (_attack, options) => {
    const { postern } = scene();
    const client = await tunnel();
    await expect(client.secure({ servername: 'origin.test', ca: postern.ca, ...options })).rejects.toThrow();
  });

  it('that says it fell back from a newer version is told that it need not (RFC 7507)', async () => {
    const client = await tunnel();
    const cipherSuites = Buffer.from('c02b5600', 'hex');
    client.socket.write(hello({ cipherSuites, extensions: [serverNames([0, 'origin.test']), ...CURVES] }));
    // A fatal alert, inappropriate_fallback.
    await client.until(/^\x15\x03[\x01-\x03]\x00\x02\x02\x56/);
  });

  it('that asks to renegotiate is refused: no second handshake is made on a connection', async () => {
    const { postern, authority } = scene();
    const client = await tunnel();
    await client.secure({ servername: 'origin.test', ca: postern.ca, maxVersion: 'TLSv1.2' });
    client.send(getInside(authority, '/before'));
    await client.take(/ok$/);
    // What `secure` made is a TLSSocket.
    const secure = client.socket as TLSSocket;
    const outcome = await new Promise<string>((resolve) => {
      secure.once('error', ({ message }) => resolve(message));
      secure.renegotiate({}, (failure) => resolve(failure === null ? 'renegotiated' : failure.message));
    });
    expect(outcome).toMatch(/no.renegotiation/i);
  });
});

/** What OpenSSL wants to see of a client that offers ECDHE in TLS 1.2: supported_groups, ec_point_formats, signature_algorithms. */
const CURVES = [
  extension(10, Buffer.from('00020017', 'hex')),
  extension(11, Buffer.from('0100', 'hex')),
  extension(13, Buffer.from('00020403', 'hex')),
];

const name = serverNames([0, 'origin.test']);
const padding = (bytes: number): Buffer => extension(21, Buffer.alloc(bytes));
const whole = hello({ extensions: [name, alpn('http/1.1'), versions(0x0304)] });

/** First bytes of a tunnel that are no ClientHello; what ends them is never what OpenSSL makes of them. */
const HELLOS: readonly (readonly [attack: string, bytes: Buffer])[] = [
  ['of 65 KiB', hello({ extensions: [name, padding(33_000), extension(22, Buffer.alloc(33_000))] })],
  ['that says it has 16 MiB', Buffer.from('16030100050100ffffff', 'hex')],
  ['in more than 128 records', inRecords(helloMessage({ extensions: [name, padding(200)] }), 1)],
  ['whose record says it has 64 KiB', Buffer.from('160301ffff01', 'hex')],
  ['in an empty record', Buffer.from('1603010000', 'hex')],
  ['behind an empty record', Buffer.concat([Buffer.from('1603010000', 'hex'), whole])],
  ['behind an alert', Buffer.concat([Buffer.from('15030100020100', 'hex'), whole])],
  [
    'cut by an alert',
    Buffer.concat([inRecords(helloMessage(), 40).subarray(0, 45), Buffer.from('15030100020100', 'hex')]),
  ],
  [
    'cut by application data',
    Buffer.concat([inRecords(helloMessage(), 40).subarray(0, 45), Buffer.from('170303000100', 'hex')]),
  ],
  ['of SSL 2.0', Buffer.from('802e0100020015000000100100800200800300800400800500800600400700c0', 'hex')],
  ['of SSL 3.0, in its own field', hello({ legacyVersion: 0x0200, extensions: [name] })],
  ['with a major version of 4', inRecords(helloMessage({ extensions: [name] }), 16_384, 0x0401)],
  ['with a session id of 33 bytes', hello({ sessionId: Buffer.alloc(33), extensions: [name] })],
  ['with half a cipher suite', hello({ cipherSuites: Buffer.from('1301c0', 'hex'), extensions: [name] })],
  ['without cipher suites', hello({ cipherSuites: Buffer.alloc(0), extensions: [name] })],
  ['without compression methods', hello({ compression: Buffer.alloc(0), extensions: [name] })],
  ['with bytes behind its end', hello({ extensions: [name], tail: Buffer.from('00', 'hex') })],
  [
    'with another message in its record',
    inRecords(Buffer.concat([helloMessage({ extensions: [name] }), Buffer.from('0e000000', 'hex')])),
  ],
  ['with an extension twice', hello({ extensions: [name, alpn('http/1.1'), alpn('h2')] })],
  ['that is a ServerHello', Buffer.from('160301000402000000', 'hex')],
  ['of DTLS', Buffer.from('16feff0000000000000000', 'hex')],
];

describe('a tunnel', () => {
  it.each(HELLOS)('that begins with a ClientHello %s is cut off without an answer', async (_attack, bytes) => {
    const { postern } = scene();
    const before = postern.audit.filter(({ code }) => code === 'PROTOCOL_DENIED').length;
    const client = await tunnel();
    client.socket.write(bytes);
    expect(await client.untilEnded()).toBe('');
    await postern.until(() => postern.audit.filter(({ code }) => code === 'PROTOCOL_DENIED')[before]);
  });

  it.each([
    ['the banner of SSH', 'SSH-2.0-x\r\n'.replace('S', '\0S')],
    ['a SOCKS handshake', '\x05\x01\x00'],
    ['a PROXY header of version 2', '\r\n\r\n\0\r\nQUIT\n'],
    ['a message of PostgreSQL', '\0\0\0\x08\x04\xd2\x16\x2f'],
    ['a DNS question', '\0\x1d\x12\x34\x01\0\0\x01'],
    ['NUL', '\0'],
    ['white space', ' GET / HTTP/1.1\r\n\r\n'],
    ['an empty line', '\r\nGET / HTTP/1.1\r\n\r\n'],
  ])('that begins with %s is cut off without an answer', async (_attack, bytes) => {
    const client = await tunnel();
    client.send(bytes);
    expect(await client.untilEnded()).toBe('');
  });

  it('reached no origin in any of these', async () => {
    const { authority, origin, tunnel: good } = scene();
    const client = await good();
    client.send(getInside(authority, '/good'));
    await client.take(/ok$/);
    expect(new Set(seenBy(origin).match(/^GET \S+/gm))).toEqual(new Set(['GET /before', 'GET /good']));
  });
});

describe('a passthrough tunnel', () => {
  const opaque = shared(
    async () => {
      const origin = await startOrigin();
      const rule = `{ hosts: [origin.test], ports: [${origin.port}], tls: passthrough }`;
      const postern = await startPostern({ policies: `version: 1\nrules:\n  - ${rule}\n`, ...loopback() });
      return { origin, postern, authority: `origin.test:${origin.port}` };
    },
    ({ postern }) => expectUnharmed(postern),
  );

  it.each<readonly [string, Buffer]>([
    ['another name', hello({ extensions: [serverNames([0, 'other.test'])] })],
    [
      'another name, in records of 16 bytes',
      inRecords(helloMessage({ extensions: [serverNames([0, 'other.test'])] }), 16),
    ],
    ['no name', hello({ extensions: [alpn('http/1.1')] })],
    ['no extensions', hello({ extensions: null })],
    ['two names', hello({ extensions: [serverNames([0, 'origin.test'], [0, 'other.test'])] })],
    ['the name and another after it', hello({ extensions: [name, serverNames([0, 'other.test'])] })],
    ['a subdomain', hello({ extensions: [serverNames([0, 'a.origin.test'])] })],
    ['NUL behind the name', hello({ extensions: [serverNames([0, 'origin.test\0x'])] })],
    ['65 KiB', hello({ extensions: [name, padding(33_000), extension(22, Buffer.alloc(33_000))] })],
    ['HTTP in its place', Buffer.from('GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n')],
    ['SSH in its place', Buffer.from('SSH-2.0-x\r\n')],
  ])('whose ClientHello has %s carries no byte', async (_attack, bytes) => {
    const { origin, postern, authority } = opaque();
    const client = await connectTunnel(postern.proxyPort, authority);
    client.socket.write(bytes);
    expect(await client.untilEnded()).toBe('');
    await (await origin.next()).untilEnded();
    expect(seenBy(origin)).toBe('');
  });
});
