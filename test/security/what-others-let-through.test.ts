import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { connectTo, expectUnharmed, getFrom, getInside, OK, refusalOf, refusalOn } from '../support/attack.ts';
import { closeAfterTest, closeOpened, shared } from '../support/closing.ts';
import { startDns } from '../support/dns.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel, type RawClient } from '../support/raw-client.ts';
import { certificateFor, loopback, SECRET, seenBy, startPlainScene, startScene } from '../support/scene.ts';

// Each of these was measured on proxies in use: what an attacker got through them.
closeOpened();

const unharmed = ({ postern }: { readonly postern: Postern }): void => expectUnharmed(postern);

const OTHER_SECRET = 'other-secret-0123456789';

/** Two allowed hosts on two origins, each with a credential of its own. */
async function startTwoHosts() {
  const tls = certificateFor('origin.test', 'other.test');
  const [origin, other] = await Promise.all([0, 1].map(() => startOrigin({ tls, onConnection: answering(OK) })));
  if (origin === undefined || other === undefined) throw new Error('unreachable');
  const policies = `version: 1
secrets: { one: { file: ../secret.txt }, two: { file: ../other.txt } }
rules:
  - { hosts: [origin.test], ports: [${origin.port}, 443], inject: [{ bearer: "\${one}" }] }
  - { hosts: [other.test], ports: [${other.port}, ${origin.port}, 443], inject: [{ bearer: "\${two}" }] }
`;
  const base = loopback();
  const postern = await startPostern({ policies, ...base, files: { ...base.files, 'other.txt': OTHER_SECRET } });
  const tunnel = async (): Promise<RawClient> => {
    const client = await connectTunnel(postern.proxyPort, `origin.test:${origin.port}`);
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    return client;
  };
  return { postern, origin, other, tunnel };
}

/** TLS over a socket whose every write goes through `write`; resolves with the first bytes of the answer to a GET. */
function firstAnswer(
  client: RawClient,
  ca: string,
  authority: string,
  write: (chunk: Buffer) => void,
): Promise<string> {
  const { socket } = client;
  socket.removeAllListeners('data');
  const duplex = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      write(chunk);
      done();
    },
  });
  let head = '';
  socket.on('data', (bytes: Buffer) => {
    if (head.includes('\r\n\r\n')) duplex.push(bytes);
    else {
      head += bytes.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end >= 0 && head.length > end + 4) duplex.push(Buffer.from(head.slice(end + 4), 'latin1'));
    }
  });
  const secure = closeAfterTest(connectTls({ socket: duplex, servername: 'origin.test', ca }), (open) =>
    open.destroy(),
  );
  secure.on('error', () => {});
  secure.write(getInside(authority));
  return new Promise((resolve) => secure.once('data', (bytes) => resolve(bytes.toString())));
}

describe('a ClientHello', () => {
  it('that comes one byte at a time does not switch interception off', async () => {
    const { postern, authority, origin } = await startScene({ origin: { onConnection: answering(OK) } });
    const client = await connectRaw(postern.proxyPort);
    client.send(connectTo(authority));
    const answer = firstAnswer(client, postern.ca, authority, (chunk) => {
      for (const byte of chunk) client.socket.write(Buffer.of(byte));
    });
    expect(await answer).toBe(OK);
    expect(seenBy(origin)).toContain(`Bearer ${SECRET}`);
  });

  it('in the packet of its CONNECT is not lost', async () => {
    const { postern, authority, origin } = await startScene({ origin: { onConnection: answering(OK) } });
    const client = await connectRaw(postern.proxyPort);
    client.socket.cork();
    client.send(connectTo(authority));
    // The hello goes into the corked socket; both leave together.
    const answer = firstAnswer(client, postern.ca, authority, (chunk) => {
      client.socket.write(chunk);
      client.socket.uncork();
    });
    expect(await answer).toBe(OK);
    expect(origin.connections).toHaveLength(1);
  });
});

describe('a credential', () => {
  const twoHosts = shared(startTwoHosts, unharmed);
  const scene = shared(() => startScene({ origin: { onConnection: answering(OK) } }), unharmed);

  it.each<readonly [string, (origin: number, other: number) => string]>([
    ['Host of another allowed name', (_origin, other) => `GET / HTTP/1.1\r\nHost: other.test:${other}\r\n\r\n`],
    ['Host of another allowed name on this port', (origin) => `GET / HTTP/1.1\r\nHost: other.test:${origin}\r\n\r\n`],
    ['Host of another port', () => 'GET / HTTP/1.1\r\nHost: origin.test:443\r\n\r\n'],
    ['Host without a port', () => 'GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n'],
    [
      'an absolute target of another allowed name',
      (_origin, other) => `GET https://other.test:${other}/ HTTP/1.1\r\nHost: other.test:${other}\r\n\r\n`,
    ],
    [
      'an absolute target beside the right Host',
      (origin) => `GET https://other.test:${origin}/ HTTP/1.1\r\nHost: origin.test:${origin}\r\n\r\n`,
    ],
  ])('does not go to another peer for %s inside a tunnel', async (_attack, request) => {
    const { origin, other, tunnel } = twoHosts();
    const client = await tunnel();
    client.send(request(origin.port, other.port));
    expect(await refusalOn(client)).toBe('421 TARGET_MISMATCH');
    expect(seenBy(origin, other)).toBe('');
  });

  it.each([
    ['to the proxy', getFrom],
    ['inside CONNECT', connectTo],
  ])('does not leave in clear, %s', async (_place, request) => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const policies = `version: 1
secrets: { token: { file: ../secret.txt } }
rules:
  - { hosts: [origin.test], ports: [${origin.port}], inject: [{ bearer: "\${token}" }] }
`;
    const postern = await startPostern({ policies, ...loopback() });
    const authority = `origin.test:${origin.port}`;
    const client = await connectRaw(postern.proxyPort);
    client.send(request(authority));
    if (request === connectTo) {
      await client.take(/^HTTP\/1\.1 200 [\s\S]*\r\n\r\n/);
      client.send(getInside(authority));
    }
    expect(await refusalOn(client)).toBe('403 HOST_DENIED');
    expect(origin.connections).toHaveLength(0);
  });

  it('does not leave in clear inside CONNECT to 443', async () => {
    const { postern } = twoHosts();
    const client = await connectTunnel(postern.proxyPort, 'origin.test:443');
    client.send(getInside('origin.test:443'));
    expect(await refusalOn(client)).toBe('403 HOST_DENIED');
  });

  it('is not deleted by "Connection: authorization", and what is nominated is not forwarded', async () => {
    const { authority, tunnel, origin } = await startScene({ origin: { onConnection: answering(OK) } });
    const client = await tunnel();
    client.send(getInside(authority, '/', 'Connection: authorization, x-note\r\nX-Note: secret\r\n'));
    await client.take(/ok$/);
    expect(seenBy(origin)).toBe(`GET / HTTP/1.1\r\nHost: ${authority}\r\nAuthorization: Bearer ${SECRET}\r\n\r\n`);
  });

  it.each(['TRACE', 'CONNECT', 'trace', 'connect', 'Trace'])('is not shown by %s', async (method) => {
    const { authority, tunnel, origin } = scene();
    const client = await tunnel();
    client.send(getInside(authority, '/shown').replace('GET', method));
    expect(await refusalOn(client)).toBe('403 METHOD_DENIED');
    expect(seenBy(origin)).not.toContain('/shown');
  });

  it('is not sent to an upstream that cannot prove who it is', async () => {
    const { authority, tunnel, origin } = await startScene({ names: ['other.test'] });
    const client = await tunnel();
    client.send(getInside(authority));
    expect(await refusalOn(client)).toBe('502 TLS_UNTRUSTED');
    expect(seenBy(origin)).toBe('');
  });
});

describe('a CONNECT authority', () => {
  const scene = shared(() => startScene(), unharmed);

  it.each([
    ['user information', 'origin.test@other.test'],
    ['user information and a port', 'origin.test:443@other.test'],
    ['an encoded slash', 'origin.test%2f.other.test'],
    ['an encoded at sign', 'origin.test%40other.test'],
    ['an encoded line end', 'origin.test%0d%0a.other.test'],
  ])('with %s does not steer the dial', async (_attack, host) => {
    const { postern, origin } = scene();
    expect(await refusalOf(postern, connectTo(`${host}:${origin.port}`))).toBe('400 TARGET_INVALID');
    expect(origin.connections).toHaveLength(0);
  });
});

describe('a path rule', () => {
  const scene = shared(() => startPlainScene({ rule: 'paths: ["/repos/**"]' }), unharmed);

  it.each([
    '/repos/..%5cadmin',
    '/repos/%252e%252e/admin',
    '/repos/..;/admin',
    '/repos/..%00/admin',
    '/repos/%c0%ae%c0%ae/admin',
  ])('is not passed by %s', async (path) => {
    const { postern, origin, authority } = scene();
    expect(await refusalOf(postern, getFrom(authority, path))).toBe('400 PATH_AMBIGUOUS');
    expect(origin.connections).toHaveLength(0);
  });
});

describe('an address', () => {
  it.each(['192.0.0.8', '198.18.0.1', '198.19.255.254', 'fec0::1'])('%s is not dialled', async (address) => {
    const dns = await startDns({ 'odd.test': [address] });
    const postern = await startPostern({
      policies: 'version: 1\ndefault: allow\nrules: []\n',
      settings: { upstream: { dns: [`127.0.0.1:${dns.port}`] } },
    });
    expect(await refusalOf(postern, getFrom('odd.test'))).toBe('403 ADDRESS_DENIED');
    expect(await refusalOf(postern, connectTo('odd.test:443'))).toBe('403 ADDRESS_DENIED');
  });
});
