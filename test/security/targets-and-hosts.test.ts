import { describe, expect, it } from 'vitest';
import { connectTo, expectUnharmed, getFrom, getInside, OK, refusalOf, refusalOn } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { startDns } from '../support/dns.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel } from '../support/raw-client.ts';
import { certificateFor, loopback, seenBy } from '../support/scene.ts';

closeOpened();

/** Whatever is asked of it leads to the origin: a name that gets as far as DNS, and is not public by class, would be reached. */
const scene = shared(
  async () => {
    const origin = await startOrigin({ tls: certificateFor('origin.test'), onConnection: answering(OK) });
    const dns = await startDns({ 'evil.test': ['127.0.0.1'] });
    const base = loopback();
    const policies = `version: 1
rules:
  - { hosts: [origin.test, xn--bcher-kva.test], schemes: [http, https], ports: [${origin.port}] }
`;
    // What `loopback` writes there is a mapping.
    const upstream = { ...(base.settings?.upstream as object), dns: [`127.0.0.1:${dns.port}`] };
    const postern = await startPostern({ policies, ...base, settings: { ...base.settings, upstream } });
    return { origin, postern, dns, port: origin.port };
  },
  ({ postern }) => expectUnharmed(postern),
);

/** Spellings of a host, `PORT` for the origin's; the code is the same wherever they are written. */
const HOSTS: readonly (readonly [attack: string, host: string])[] = [
  ['brackets around a name (CVE-2022-29188)', '[origin.test]'],
  ['a bracket that is not closed', '[origin.test'],
  ['a bracket behind', 'origin.test]'],
  ['two final dots (CVE-2022-24825)', 'origin.test..'],
  ['a dot in front', '.origin.test'],
  ['an empty label', 'origin..test'],
  ['an escaped letter', 'origi%6e.test'],
  ['an escaped dot', 'origin%2etest'],
  ['an escaped slash', 'origin.test%2f.evil.test'],
  ['an escaped NUL', 'evil.test%00.origin.test'],
  ['an escaped at sign', 'evil.test%40origin.test'],
  ['user information', 'user@origin.test'],
  ['user information that looks like a host', 'origin.test@evil.test'],
  ['user information with a password', 'origin.test:443@evil.test'],
  ['empty user information', '@origin.test'],
  ['two at signs', 'a@b@origin.test'],
  ['a backslash before another host', 'evil.test\\.origin.test'],
  ['a backslash before user information', 'evil.test\\@origin.test'],
  ['a semicolon before another host', 'evil.test;origin.test'],
  ['a comma before another host', 'evil.test,origin.test'],
  ['a fragment before another host', 'evil.test#.origin.test'],
  ['an ampersand before another host', 'evil.test&origin.test'],
  ['a wildcard', '*.test'],
  ['a star in a label', 'orig*n.test'],
  ['a hyphen at the end of a label', 'origin-.test'],
  ['a label of 64 letters', `${'a'.repeat(64)}.test`],
  ['a name of 254 letters', `${'a.'.repeat(125)}test`],
  ['a name of 10,000 letters', `${'a.'.repeat(5_000)}test`],
  ['an exclamation mark', 'origin!.test'],
  ['a short IPv4 form', '127.1'],
  ['IPv4 of one number', '2130706433'],
  ['IPv4 of one hexadecimal number', '0x7f000001'],
  ['IPv4 with hexadecimal parts', '0x7f.0.0.1'],
  ['IPv4 with octal parts', '0177.0.0.1'],
  ['IPv4 with leading zeros', '127.000.000.001'],
  ['IPv4 with five parts', '127.0.0.0.1'],
  ['IPv4 with a part beyond 255', '127.0.0.256'],
  ['IPv4 in brackets', '[127.0.0.1]'],
  ['a name that ends in a number', 'origin.1'],
  ['a name that ends in a hexadecimal number', 'origin.0x7f'],
  ['a zone id', '[fe80::1%eth0]'],
  ['an escaped zone id (RFC 6874)', '[fe80::1%25eth0]'],
  ['a zone id on loopback', '[::1%lo]'],
  ['IPv6 without brackets', '::1'],
  ['IPv6 of nine groups', '[1:2:3:4:5:6:7:8:9]'],
  ['IPv6 with two gaps', '[1::2::3]'],
  ['an IPvFuture address', '[v1.fe80::a]'],
  ['empty brackets', '[]'],
];

describe('a host', () => {
  it.each(HOSTS)(
    'with %s is no host: as a CONNECT authority, in a target, in Host and inside a tunnel',
    async (_attack, host) => {
      const { postern, port } = scene();
      const authority = `${host}:${port}`;
      const inside = await connectTunnel(postern.proxyPort, `origin.test:${port}`);
      inside.send(getInside(authority));
      const codes = [
        await refusalOf(postern, connectTo(authority)),
        await refusalOf(postern, getFrom(authority)),
        await refusalOf(postern, `GET http://origin.test:${port}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\n`),
        await refusalOn(inside),
      ];
      expect(codes).toEqual(['400 TARGET_INVALID', '400 TARGET_INVALID', '400 REQUEST_INVALID', '400 REQUEST_INVALID']);
    },
  );

  it.each([
    ['umlauts', 'b\xc3\xbccher.test'],
    ['a full-width letter', '\xef\xbd\x8frigin.test'],
    ['the Kelvin sign', 'origin.tes\xe2\x84\xaa'],
    ['an ideographic full stop', 'origin\xe3\x80\x82test'],
    ['a soft hyphen', 'ori\xc2\xadgin.test'],
    ['a zero-width space', 'origin\xe2\x80\x8b.test'],
    ['a dotless i', 'or\xc4\xb1gin.test'],
    ['a circled digit', '127.0.0.\xe2\x91\xa0'],
  ])('with %s, which a URL parser maps to another, is no host', async (_attack, host) => {
    const { postern, port } = scene();
    const authority = `${host}:${port}`;
    const inside = await connectTunnel(postern.proxyPort, `origin.test:${port}`);
    inside.send(getInside(authority));
    expect([
      await refusalOf(postern, connectTo(authority)),
      await refusalOf(postern, getFrom(authority)),
      await refusalOn(inside),
    ]).toEqual(['400 TARGET_INVALID', '400 TARGET_INVALID', '400 REQUEST_INVALID']);
  });

  it.each([
    ['in upper case (CVE-2022-24825)', 'EVIL.TEST'],
    ['with a final dot (CVE-2022-24825)', 'evil.test.'],
    ['in both', 'Evil.Test.'],
    ['below an allowed one', 'evil.origin.test'],
    ['that ends like an allowed one', 'evilorigin.test'],
    ['that begins like an allowed one', 'origin.test.evil.test'],
    ['with a hyphen before an allowed one', 'evil-origin.test'],
    ['that is the parent of an allowed one', 'test'],
    ['that looks like an allowed one in A-labels', 'xn--rigin-bye.test'],
    ['whose A-label decodes to an allowed one', 'xn--origin-.test'],
    ['with an underscore for a dot', 'origin_test'],
    ['that is localhost', 'localhost'],
    ['below localhost', 'origin.test.localhost'],
  ])('%s is denied, before DNS is asked', async (_attack, host) => {
    const { postern, port, dns } = scene();
    const authority = `${host}:${port}`;
    const codes = [await refusalOf(postern, connectTo(authority)), await refusalOf(postern, getFrom(authority))];
    for (const code of codes) expect(code).toMatch(/^(403 HOST_DENIED|400 TARGET_INVALID)$/);
    expect(dns.questions).toEqual([]);
  });
});

/** What may stand where a port does. */
const PORTS: readonly (readonly [attack: string, port: string])[] = [
  ['no port but a colon', ''],
  ['port 0', '0'],
  ['port 65536', '65536'],
  ['a port that wraps around to 443', '65979'],
  ['a port that wraps around at 2^32', '4294967739'],
  ['a negative port', '-443'],
  ['a port with a plus', '+443'],
  ['a port with leading zeros', '0443'],
  ['a hexadecimal port', '0x1bb'],
  ['a port with an exponent', '443e0'],
  ['a port with a fraction', '443.0'],
  ['a service name', 'https'],
  ['two ports', '443:443'],
  ['a port before user information', '443@evil.test'],
  ['a port with an escape', '44%33'],
  ['a port with a semicolon', '443;80'],
];

describe('an authority', () => {
  it.each(PORTS)('with %s is none', async (_attack, port) => {
    const { postern } = scene();
    expect([
      await refusalOf(postern, connectTo(`origin.test:${port}`)),
      await refusalOf(postern, getFrom(`origin.test:${port}`)),
    ]).toEqual(['400 TARGET_INVALID', '400 TARGET_INVALID']);
  });

  it.each([
    ['without a port', 'origin.test'],
    ['that is empty', ':443'],
    ['that is a path', '/'],
    ['that is *', '*'],
    ['with a scheme', 'https://origin.test:443'],
    ['with a path', 'origin.test:443/x'],
    ['with a query', 'origin.test:443?x'],
    ['with a fragment', 'origin.test:443#x'],
    ['with a slash in front', '//origin.test:443'],
    ['with another authority behind', 'origin.test:443,evil.test:443'],
  ])('%s opens no tunnel', async (_attack, authority) => {
    expect(await refusalOf(scene().postern, `CONNECT ${authority} HTTP/1.1\r\nHost: origin.test:443\r\n\r\n`)).toBe(
      '400 TARGET_INVALID',
    );
  });

  it.each([
    ['of another host', 'Host: evil.test:443'],
    ['of the address', 'Host: 127.0.0.1:443'],
    ['with user information', 'Host: user@origin.test:443'],
    ['that is empty', 'Host:'],
    ['that is a list', 'Host: origin.test, evil.test'],
  ])('beside a Host %s opens no tunnel', async (_attack, host) => {
    const { postern, port } = scene();
    const code = await refusalOf(postern, `CONNECT origin.test:${port} HTTP/1.1\r\n${host}\r\n\r\n`);
    expect(code).toBe('421 TARGET_MISMATCH');
  });

  it('beside two Hosts opens no tunnel', async () => {
    const { postern, port } = scene();
    expect(await refusalOf(postern, connectTo(`origin.test:${port}`, 'Host: evil.test\r\n'))).toBe(
      '400 HEADERS_AMBIGUOUS',
    );
  });

  it.each([
    ['a length', 'Content-Length: 5\r\n'],
    ['chunks', 'Transfer-Encoding: chunked\r\n'],
    ['both', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'],
  ])('of a CONNECT that declares %s opens no tunnel', async (_attack, fields) => {
    const { postern, port } = scene();
    expect(await refusalOf(postern, connectTo(`origin.test:${port}`, fields))).toBe('400 FRAMING_INVALID');
  });
});

describe('a target to the proxy', () => {
  it.each([
    ['in origin-form', '/'],
    ['that is *', '*'],
    ['in authority-form', 'origin.test:443'],
    ['without a scheme', '//origin.test/'],
    ['with one slash', 'http:/origin.test/'],
    ['with three slashes', 'http:///origin.test/'],
    ['with backslashes', 'http:\\\\origin.test\\'],
    ['without slashes', 'http:origin.test'],
    ['of https', 'https://origin.test/'],
    ['of ftp', 'ftp://origin.test/'],
    ['of file', 'file:///etc/passwd'],
    ['of ws', 'ws://origin.test/'],
    ['of gopher', 'gopher://origin.test/'],
    ['of unix', 'unix:/var/run/docker.sock'],
    ['of a cache object', 'cache_object://origin.test/info'],
    ['of urn', 'urn:x:y'],
    ['of javascript', 'javascript:alert(1)'],
    ['of another URL behind a scheme', 'http://http://origin.test/'],
    ['with a fragment', 'http://origin.test/#/../x'],
    ['with a fragment in its authority', 'http://origin.test#@evil.test/'],
    ['with a backslash in its authority', 'http://origin.test\\@evil.test/'],
    ['without a host', 'http://:80/'],
    ['without anything', 'http://'],
  ])('%s is none', async (_attack, target) => {
    expect(await refusalOf(scene().postern, `GET ${target} HTTP/1.1\r\nHost: origin.test\r\n\r\n`)).toBe(
      '400 TARGET_INVALID',
    );
  });
});

it('none of these reached the origin, nor asked DNS', async () => {
  const { origin, postern, dns, port } = scene();
  const client = await connectRaw(postern.proxyPort);
  client.send(connectTo(`Origin.TEST.:${port}`));
  await client.take(/^HTTP\/1\.1 200 [\s\S]*\r\n\r\n/);
  await client.secure({ servername: 'origin.test', ca: postern.ca });
  client.send(getInside(`origin.test:${port}`, '/good'));
  await client.take(/ok$/);
  expect(seenBy(origin).match(/^[A-Z]+ \S+/gm)).toEqual(['GET /good']);
  expect(origin.connections).toHaveLength(1);
  expect(dns.questions).toEqual([]);
});
