import { describe, expect, it } from 'vitest';
import { expectUnharmed, getInside, OK, refusalOn } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { startDns } from '../support/dns.ts';
import { hello, serverNames } from '../support/hello-bytes.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw } from '../support/raw-client.ts';
import { certificateFor, loopback, SECRET, seenBy } from '../support/scene.ts';
import { byIpv4, byIpv6, byName, connectSocks, LOOPBACK_SIX, NO_AUTH, socksReply } from '../support/socks.ts';

closeOpened();

/** Whatever is asked of it leads to the origins: a name that gets as far as DNS, and is not public by class, would be reached. */
const scene = shared(
  async () => {
    const origin = await startOrigin({ tls: certificateFor('origin.test'), onConnection: answering(OK) });
    const opaque = await startOrigin({ onConnection: answering(OK) });
    const dns = await startDns({ 'evil.test': ['127.0.0.1'], 'metadata.test': ['169.254.169.254'] });
    const base = loopback();
    const policies = `version: 1
secrets: { token: { file: ../secret.txt } }
rules:
  - { name: own, hosts: [origin.test, metadata.test], schemes: [http, https], ports: [${origin.port}], inject: [{ bearer: "\${token}" }] }
  - { hosts: [other.test], ports: [${opaque.port}], tls: passthrough }
`;
    const upstream = { ...(base.settings?.upstream as object), dns: [`127.0.0.1:${dns.port}`] };
    const postern = await startPostern({ policies, ...base, settings: { ...base.settings, upstream } });
    return { postern, port: postern.proxyPort, origin, opaque };
  },
  ({ postern, origin, opaque }) => {
    expectUnharmed(postern);
    expect(origin.connections.map(({ received }) => received).filter((text) => /evil|unknown/.test(text))).toEqual([]);
    expect(seenBy(opaque)).not.toContain(SECRET);
  },
);

describe('a name in a SOCKS5 request', () => {
  it.each([
    ['NUL before another host', 'evil.test\0.origin.test'],
    ['NUL behind the host', 'origin.test\0'],
    ['NUL and another host behind', 'origin.test\0evil.test'],
    ['user information', 'origin.test@evil.test'],
    ['user information before', 'evil.test@origin.test'],
    ['a port', 'origin.test:443'],
    ['a path', 'origin.test/'],
    ['a line break', 'origin.test\r\nHost: evil.test'],
    ['a space', 'origin.test '],
    ['an escaped dot', 'origin%2etest'],
    ['a backslash', 'evil.test\\.origin.test'],
    ['two final dots', 'origin.test..'],
    ['nothing', ''],
    ['a dot', '.'],
    ['a wildcard', '*.test'],
    ['UTF-8', 'origin\xe3\x80\x82test'],
    ['the Kelvin sign', 'origin.tes\xe2\x84\xaa'],
    ['254 letters', `${'a.'.repeat(125)}test`],
    ['255 bytes of 0xff', '\xff'.repeat(255)],
    ['a short IPv4 form', '127.1'],
    ['IPv4 of one number', '2130706433'],
    ['IPv4 of one hexadecimal number', '0x7f000001'],
    ['IPv4 with octal parts', '0177.0.0.1'],
    ['IPv6 without brackets', '::1'],
    ['IPv6 with a zone', '[fe80::1%eth0]'],
    ['IPv6 with a zone and no brackets', 'fe80::1%eth0'],
    ['empty brackets', '[]'],
  ])('with %s is no host', async (_attack, host) => {
    const { port, origin } = scene();
    expect(await socksReply(port, byName(host, origin.port))).toBe(1);
  });

  it.each([
    ['as a name', () => byName('origin.test', 0)],
    ['as IPv4', () => byIpv4('127.0.0.1', 0)],
    ['as IPv6', () => byIpv6(LOOPBACK_SIX, 0)],
  ])('with port 0 is no target: %s', async (_attack, request) => {
    expect(await socksReply(scene().port, request())).toBe(1);
  });

  it('that leads to a metadata address is refused', async () => {
    const { port, origin } = scene();
    expect(await socksReply(port, byName('metadata.test', origin.port))).toBe(2);
  });

  it('that is reserved is refused', async () => {
    expect(await socksReply(scene().port, byName('postern.internal', 80))).toBe(2);
  });

  it.each([
    ['127.0.0.1', 'in a name, IPv4'],
    ['[::1]', 'in a name, IPv6'],
  ])('that is the address %s is that address', async (host) => {
    const { port, origin } = scene();
    // Open, to be judged by the name inside; there is none.
    const client = await connectSocks(port, byName(host, origin.port));
    client.send('\x00');
    expect(await client.untilEnded()).toBe('');
  });
});

describe('inside a SOCKS5 tunnel', () => {
  it.each([
    ['another host', 'evil.test'],
    ['the passthrough host', 'other.test'],
  ])('the SNI of %s than the name is refused', async (_attack, sni) => {
    const { postern, port, origin } = scene();
    const client = await connectSocks(port, byName('origin.test', origin.port));
    const before = postern.audit.length;
    client.send(hello({ extensions: [serverNames([0, sni])] }).toString('latin1'));
    expect(await client.untilEnded()).toBe('');
    const line = await postern.until(() => postern.audit.slice(before).find(({ code }) => code === 'TARGET_MISMATCH'));
    expect(line).toMatchObject({ host: 'origin.test', ingress: 'socks' });
  });

  it.each([
    ['another SNI', () => hello({ extensions: [serverNames([0, 'origin.test'])] }).toString('latin1')],
    ['no SNI', () => hello({ extensions: [] }).toString('latin1')],
    ['HTTP', () => getInside('other.test')],
    ['SOCKS again', () => NO_AUTH],
  ])('of a passthrough host %s leads nowhere', async (_attack, said) => {
    const { port, opaque } = scene();
    const client = await connectSocks(port, byName('other.test', opaque.port));
    client.send(said());
    expect(await client.untilEnded()).toBe('');
    expect(seenBy(opaque)).toBe('');
  });

  it('Host is that of the tunnel on every request, by name and by the name inside', async () => {
    const { port, origin } = scene();
    for (const request of [byName('origin.test', origin.port), byIpv4('203.0.113.1', origin.port)]) {
      const client = await connectSocks(port, request);
      client.send(getInside(`origin.test:${origin.port}`, '/x'));
      // The origin speaks TLS alone: it is asked in plain text, and cannot answer.
      await client.take(/^HTTP\/1\.1 502 [\s\S]*\}\}\n/);
      client.send(getInside(`evil.test:${origin.port}`));
      expect(await refusalOn(client)).toBe('421 TARGET_MISMATCH');
    }
  });

  it('CONNECT is refused, and SOCKS is no HTTP', async () => {
    const { port, origin } = scene();
    const authority = `origin.test:${origin.port}`;
    const client = await connectSocks(port, byName('origin.test', origin.port));
    client.send(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    expect(await refusalOn(client)).toBe('403 METHOD_DENIED');
    const again = await connectSocks(port, byName('origin.test', origin.port));
    again.send(NO_AUTH + byName('origin.test', origin.port));
    expect(await again.untilEnded()).toBe('');
  });

  it('a name inside that no rule has, or an address again, opens nothing', async () => {
    const { port, origin } = scene();
    for (const said of [
      hello({ extensions: [serverNames([0, 'unknown.test'])] }).toString('latin1'),
      hello({ extensions: [serverNames([0, '127.0.0.1'])] }).toString('latin1'),
      getInside(`unknown.test:${origin.port}`),
      getInside(`127.0.0.1:${origin.port}`),
      getInside(`[::1]:${origin.port}`),
      getInside(`user@origin.test:${origin.port}`),
      `GET http://origin.test:${origin.port}/ HTTP/1.1\r\nHost: unknown.test:${origin.port}\r\n\r\n`,
      `GET / HTTP/1.1\nHost: origin.test:${origin.port}\n\n`,
      `GET / HTTP/1.1\r\nHost: origin.test:${origin.port}\r\nHost: evil.test\r\n\r\n`,
      `GET / HTTP/1.1\r\nX: ${'x'.repeat(70_000)}\r\nHost: origin.test:${origin.port}\r\n\r\n`,
    ]) {
      const client = await connectSocks(port, byIpv4('203.0.113.1', origin.port));
      client.send(said);
      expect(await client.untilEnded()).toBe('');
    }
  });
});

describe('our own listeners', () => {
  const listeners = shared(async () => {
    const postern = await startPostern({
      policies: 'version: 1\nrules: []\n',
      settings: { upstream: { hosts: { 'us.test': ['127.0.0.1'] }, allow_addresses: ['0.0.0.0/0', '::/0'] } },
    });
    const ports = [postern.proxyPort, postern.adminPort];
    postern.write(
      'policies/test.yaml',
      `version: 1
rules: [{ hosts: [us.test, localhost, "127.0.0.1"], schemes: [http, https], ports: [${ports}] }]
subnets: { allow: [{ cidr: 127.0.0.0/8, ports: [${ports}] }, { cidr: "::/0", ports: [${ports}] }] }
`,
    );
    const answer = await fetch(`${postern.adminUrl}/v1/reload`, { method: 'POST' });
    expect(answer.status).toBe(200);
    return postern;
  });

  it.each([
    ['by a name', (port: number) => byName('us.test', port)],
    ['as localhost', (port: number) => byName('localhost', port)],
    ['by IPv4', (port: number) => byIpv4('127.0.0.1', port)],
    ['by the IPv4 text', (port: number) => byName('127.0.0.1', port)],
    ['by mapped IPv6', (port: number) => byIpv6([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1], port)],
    ['by NAT64', (port: number) => byIpv6([0x64, 0xff9b, 0, 0, 0, 0, 0x7f00, 1], port)],
    ['as the unspecified address', (port: number) => byIpv4('0.0.0.0', port)],
  ])('are not reached %s', async (_way, request) => {
    const postern = listeners();
    for (const port of [postern.proxyPort, postern.adminPort]) {
      const client = await connectRaw(postern.proxyPort);
      client.send(
        `${NO_AUTH}${request(port)}GET /v1/status HTTP/1.1\r\nHost: us.test:${port}\r\nConnection: close\r\n\r\n`,
      );
      const answer = await client.untilEnded();
      expect(answer).not.toContain('generation');
      // Refused at once, or opened to be judged by the name inside. Where nobody listens (localhost is ::1 too) it may be dialled.
      expect(answer).toMatch(
        /^\x05\x00\x05(\x02|\x00)\x00\x01\x00{6}(HTTP\/1\.1 (502 CONNECT_FAILED|421 TARGET_MISMATCH)\r\n[\s\S]*)?$/,
      );
    }
  });
});
