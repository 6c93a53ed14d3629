import { describe, expect, it } from 'vitest';
import { expectUnharmed, getInside, OK } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { fullListener } from '../support/full-listener.ts';
import { hello, serverNames } from '../support/hello-bytes.ts';
import { answering, type Origin, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel, type RawClient } from '../support/raw-client.ts';
import { certificateFor, loopback, SECRET } from '../support/scene.ts';
import {
  BOTH,
  byIpv4,
  byIpv6,
  byName,
  connectSocks,
  credentials,
  LOOPBACK_SIX,
  NO_AUTH,
  OPEN,
  PASSWORD,
  reply,
  socksReply,
} from '../support/socks.ts';

closeOpened();

/** A port that nobody listens on. */
const CLOSED_PORT = 1;

async function start() {
  const origin = await startOrigin({ tls: certificateFor('origin.test'), onConnection: answering(OK) });
  const plain = await startOrigin({ onConnection: answering(OK) });
  const raw = await startOrigin();
  const { port: full } = await fullListener();
  const policies = `version: 1
secrets: { token: { file: ../secret.txt } }
rules:
  - { name: plain, hosts: [plain.test], schemes: [http], ports: [${plain.port}], inject: [{ bearer: "\${token}" }] }
  - { name: opaque, hosts: [other.test], ports: [${raw.port}, ${CLOSED_PORT}, ${full}], tls: passthrough }
  - { name: all, hosts: [origin.test, private.test, nowhere.test], ports: [${origin.port}], inject: [{ bearer: "\${token}" }] }
subnets:
  allow: [{ cidr: 127.0.0.1/32, ports: [${raw.port}] }]
  deny: [198.51.100.0/24]
`;
  const base = loopback({ connect: '1s' });
  const upstream = {
    ...(base.settings?.upstream as object),
    dns: ['127.0.0.1:1'],
    hosts: {
      'origin.test': ['127.0.0.1'],
      'other.test': ['127.0.0.1'],
      'plain.test': ['127.0.0.1'],
      'private.test': ['10.0.0.1'],
    },
  };
  const postern = await startPostern({ policies, ...base, settings: { ...base.settings, upstream } });
  return { postern, port: postern.proxyPort, origin, plain, raw, full };
}

const scene = shared(start, ({ postern }) => expectUnharmed(postern));

const secured = async (client: RawClient, ca: string): Promise<RawClient> => {
  await client.secure({ servername: 'origin.test', ca });
  return client;
};

const lastOf = (origin: Origin): string => origin.connections.at(-1)?.received ?? '';

describe('a SOCKS5 tunnel by name', () => {
  it('is intercepted, and what goes out has the credential', async () => {
    const { postern, port, origin } = scene();
    const client = await secured(await connectSocks(port, byName('ORIGIN.test.', origin.port)), postern.ca);
    client.send(getInside(`origin.test:${origin.port}`, '/by-name'));
    await client.take(/ok$/);
    expect(lastOf(origin)).toContain(`Authorization: Bearer ${SECRET}\r\n`);
    const line = await postern.audited({ path: '/by-name' });
    expect(line).toMatchObject({
      ingress: 'socks',
      protocol: 'h1',
      host: 'origin.test',
      rule: 'all',
      injected: ['token'],
    });
    expect(line.client).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  it('takes HTTP inside, sent together with everything before it', async () => {
    const { postern, port, plain } = scene();
    const client = await connectRaw(port);
    client.send(NO_AUTH + byName('plain.test', plain.port) + getInside(`plain.test:${plain.port}`, '/early'));
    await client.take(/ok$/);
    expect(lastOf(plain)).toContain(`Authorization: Bearer ${SECRET}\r\n`);
    await postern.audited({ path: '/early', ingress: 'socks', rule: 'plain' });
  });

  it('takes bytes that come one by one', async () => {
    const { port, plain } = scene();
    const client = await connectRaw(port);
    for (const byte of NO_AUTH + byName('plain.test', plain.port)) {
      client.send(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.take(/^\x05\x00\x05\x00\x00\x01\x00{6}$/);
    client.send(getInside(`plain.test:${plain.port}`));
    await client.take(/ok$/);
  });

  it('is passed through with the SNI of its name, unread, with a ClientHello that was sent before the reply', async () => {
    const { postern, port, raw } = scene();
    const bytes = hello({ extensions: [serverNames([0, 'other.test'])] }).toString('latin1');
    const client = await connectRaw(port);
    client.send(NO_AUTH + byName('other.test', raw.port) + bytes);
    await client.take(/^\x05\x00\x05\x00\x00\x01\x00{6}$/);
    const connection = await raw.next();
    await connection.until(/other\.test/);
    expect(connection.received).toBe(bytes);
    connection.socket.end('answer');
    await client.take(/answer$/);
    client.end();
    const line = await postern.audited({ host: 'other.test', ingress: 'socks', decision: 'allow' });
    expect(line).toMatchObject({
      protocol: 'tunnel',
      rule: 'opaque',
      status: 200,
      bytes_out: bytes.length,
      bytes_in: 6,
    });
  });
});

it('a sandbox may ask for itself by SOCKS5 too', async () => {
  const postern = await startPostern({ policies: 'version: 1\nintrospect: true\nrules: []\n', ...loopback() });
  const client = await connectSocks(postern.proxyPort, byName('postern.internal', 80));
  client.send(getInside('postern.internal', '/ca.pem'));
  await client.take(/^HTTP\/1\.1 200 OK\r\n[\s\S]*-----END CERTIFICATE-----/);
  expect(await socksReply(postern.proxyPort, byName('postern.internal', 443))).toBe(2);
  expect(await socksReply(postern.proxyPort, byName('x.postern.internal', 80))).toBe(2);
});

describe('a SOCKS5 tunnel by address', () => {
  it.each([
    ['IPv4', byIpv4('203.0.113.7', 0)],
    ['IPv6', byIpv6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7], 0)],
    ['IPv4 of the name', byIpv4('127.0.0.1', 0)],
    ['IPv6 of this machine', byIpv6(LOOPBACK_SIX, 0)],
  ])('of %s that nothing names is judged by the SNI inside, and that is what is dialled', async (name, request) => {
    const { postern, port, origin } = scene();
    const withPort = request.slice(0, -2) + String.fromCharCode(origin.port >> 8, origin.port & 0xff);
    const client = await secured(await connectSocks(port, withPort), postern.ca);
    const path = `/by-${name.replaceAll(' ', '-')}`;
    client.send(getInside(`origin.test:${origin.port}`, path));
    await client.take(/ok$/);
    const line = await postern.audited({ path });
    expect(line).toMatchObject({
      host: 'origin.test',
      address: `127.0.0.1:${origin.port}`,
      rule: 'all',
      ingress: 'socks',
    });
  });

  it('is judged by Host where HTTP is spoken', async () => {
    const { postern, port, plain } = scene();
    const client = await connectSocks(port, byIpv4('203.0.113.7', plain.port));
    client.send('GET /by-host HTTP/1.1\r\nHo');
    client.send(`st: plain.test:${plain.port}\r\n\r\n`);
    await client.take(/ok$/);
    await postern.audited({ path: '/by-host', host: 'plain.test', ingress: 'socks' });
  });

  it('is judged in the same way by CONNECT where the default is allow', async () => {
    const { plain } = scene();
    const rule = `{ hosts: [plain.test], schemes: [http], ports: [${plain.port}] }`;
    const postern = await startPostern({ policies: `version: 1\ndefault: allow\nrules: [${rule}]\n`, ...loopback() });
    const client = await connectTunnel(postern.proxyPort, `203.0.113.7:${plain.port}`);
    client.send(getInside(`plain.test:${plain.port}`, '/by-connect'));
    await client.take(/ok$/);
    await postern.audited({ path: '/by-connect', host: 'plain.test', ingress: 'proxy' });
  });

  it('is raw where subnets.allow holds it', async () => {
    const { postern, port, raw } = scene();
    const client = await connectSocks(port, byIpv4('127.0.0.1', raw.port));
    client.send('no TLS, no HTTP');
    const connection = await raw.next();
    await connection.until(/^no TLS, no HTTP$/);
    connection.socket.end();
    client.end();
    await postern.audited({ host: '127.0.0.1', ingress: 'socks', decision: 'allow', protocol: 'tunnel' });
  });
});

describe('a SOCKS5 request', () => {
  it.each([
    ['a host that no rule names', () => byName('unknown.test', 443), 2, 'HOST_DENIED'],
    ['another port', () => byName('origin.test', 444), 2, 'HOST_DENIED'],
    ['an address that may not be reached', () => byName('private.test', scene().origin.port), 2, 'ADDRESS_DENIED'],
    ['an address in subnets.deny', () => byIpv4('198.51.100.7', 443), 2, 'ADDRESS_DENIED'],
    ['a name that DNS does not answer for', () => byName('nowhere.test', scene().origin.port), 4, 'DNS_FAILED'],
    ['a port that nobody listens on', () => byName('other.test', CLOSED_PORT), 5, 'CONNECT_FAILED'],
    ['a host that does not accept in time', () => byName('other.test', scene().full), 6, 'CONNECT_TIMEOUT'],
    ['a host that is none', () => byName('not a host', 443), 1, 'TARGET_INVALID'],
    ['port 0', () => byName('origin.test', 0), 1, 'TARGET_INVALID'],
    ['BIND', () => byIpv4('127.0.0.1', 80, 2), 7, 'PROTOCOL_DENIED'],
    ['UDP ASSOCIATE', () => byIpv4('0.0.0.0', 0, 3), 7, 'PROTOCOL_DENIED'],
    ['a command that does not exist', () => byName('origin.test', 443, 9), 7, 'PROTOCOL_DENIED'],
    ['an address type that does not exist', () => '\x05\x01\x00\x02\x7f\x00\x00\x01', 8, 'PROTOCOL_DENIED'],
    ['another version', () => '\x06\x01', 1, 'REQUEST_INVALID'],
  ])('for %s is answered in its own way, closed and audited', async (_name, request, code, audited) => {
    const { postern, port } = scene();
    const before = postern.audit.length;
    expect(await socksReply(port, request())).toBe(code);
    const line = await postern.until(() => postern.audit.slice(before).find((each) => each.code === audited));
    expect(line).toMatchObject({ ingress: 'socks', protocol: 'tunnel', method: 'CONNECT' });
  });

  it('whose tunnel turns out to be for nobody is closed', async () => {
    const { postern, port, origin } = scene();
    for (const [said, code] of [
      [getInside('unknown.test'), 'HOST_DENIED'],
      [`GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`, 'ADDRESS_DENIED'],
      ['GET / HTTP/1.1\r\n\r\n', 'ADDRESS_DENIED'],
      [`GET / HTTP/1.1\r\nHost: a.test\r\nHost: plain.test\r\n\r\n`, 'ADDRESS_DENIED'],
      [getInside(`plain.test:${origin.port}`), 'ADDRESS_DENIED'],
      ['\x00\x01', 'ADDRESS_DENIED'],
      [hello({ extensions: [] }).toString('latin1'), 'ADDRESS_DENIED'],
    ] as const) {
      const before = postern.audit.length;
      const client = await connectSocks(port, byIpv4('203.0.113.9', 80));
      client.send(said);
      expect(await client.untilEnded()).toBe('');
      await postern.until(() =>
        postern.audit.slice(before).find((each) => each.code === code && each.ingress === 'socks'),
      );
    }
  });

  it('of SOCKS4 is closed without a word', async () => {
    const { postern, port } = scene();
    const client = await connectRaw(port);
    client.send('\x04\x01\x01\xbb\x7f\x00\x00\x01me\x00');
    expect(await client.untilEnded()).toBe('');
    await postern.audited({ code: 'PROTOCOL_DENIED', reason: 'SOCKS4 is not spoken here', ingress: 'socks' });
  });

  it('that offers no method we have is told so', async () => {
    const client = await connectRaw(scene().port);
    client.send('\x05\x01\x01');
    expect(await client.untilEnded()).toBe('\x05\xff');
  });

  it('may bring user and password where nobody asks for them', async () => {
    const { port, plain } = scene();
    const client = await connectRaw(port);
    client.send(BOTH);
    await client.take(/^\x05\x02$/);
    client.send(credentials('any', 'thing'));
    await client.take(/^\x01\x00$/);
    client.send(byName('plain.test', plain.port) + getInside(`plain.test:${plain.port}`));
    await client.take(/ok$/);
  });
});

describe('a SOCKS5 connection', () => {
  it('has limits.client_head for all that it says, and is told nothing if it says nothing', async () => {
    const base = loopback({ client_head: '1s' });
    const postern = await startPostern({ policies: 'version: 1\nrules: []\n', ...base });
    const silent = await connectRaw(postern.proxyPort);
    const slow = await connectRaw(postern.proxyPort);
    slow.send(NO_AUTH);
    await slow.take(/^\x05\x00$/);
    slow.send('\x05\x01\x00\x03\xff');
    // Bytes that come do not put it off.
    const trickle = setInterval(() => slow.send('a'), 100);
    const half = await connectRaw(postern.proxyPort);
    half.send('\x05');
    expect(await half.untilEnded()).toBe('\x05\xff');
    expect(await slow.untilEnded()).toBe(reply(6));
    clearInterval(trickle);
    await silent.untilEnded();
    expect(silent.received).toBe('');
    await postern.until(() => postern.audit[1]);
    expect(postern.audit.map(({ code, ingress }) => [code, ingress])).toEqual([
      ['REQUEST_TIMEOUT', 'socks'],
      ['REQUEST_TIMEOUT', 'socks'],
    ]);
    expectUnharmed(postern);
  });

  it('is closed when its rule goes, and while it asks when the proxy drains', async () => {
    const raw = await startOrigin();
    const policy = (rules: string): string => `version: 1\nrules: [${rules}]\n`;
    const opaque = `{ hosts: [other.test], ports: [${raw.port}], tls: passthrough }`;
    const postern = await startPostern({ policies: policy(opaque), ...loopback() });
    const client = await connectSocks(postern.proxyPort, byName('other.test', raw.port));
    client.send(hello({ extensions: [serverNames([0, 'other.test'])] }).toString('latin1'));
    await (await raw.next()).until(/other/);
    postern.write('policies/test.yaml', policy(''));
    await client.untilEnded();
    await postern.audited({ host: 'other.test', code: 'HOST_DENIED', ingress: 'socks' });
    const asking = await connectRaw(postern.proxyPort);
    asking.send(NO_AUTH);
    await asking.take(/^\x05\x00$/);
    const stopped = postern.stop();
    await asking.untilEnded();
    expect(await stopped).toBe(0);
  });

  it('is one of connections_per_sandbox', async () => {
    const plain = await startOrigin({ onConnection: answering(OK) });
    const policies = `version: 1\nrules: [{ hosts: [plain.test], schemes: [http], ports: [${plain.port}] }]\nsandbox: { name: one, match: [{ token: { file: ../token.txt } }] }\n`;
    const base = loopback({ connections_per_sandbox: 1 });
    const postern = await startPostern({
      policies,
      ...base,
      files: { ...base.files, 'token.txt': 'token-0123456789' },
    });
    const ask = async (): Promise<RawClient> => {
      const client = await connectRaw(postern.proxyPort);
      client.send(PASSWORD + credentials('one', 'token-0123456789') + byName('plain.test', plain.port));
      return client;
    };
    const first = await ask();
    await first.until(/[\s\S]{14}/);
    expect(first.received).toBe(`\x05\x02\x01\x00${OPEN}`);
    const second = await ask();
    expect(await second.untilEnded()).toBe(`\x05\x02\x01\x00${reply(1)}`);
    await postern.audited({ code: 'OVERLOADED', sandbox: 'one', ingress: 'socks' });
  });
});
