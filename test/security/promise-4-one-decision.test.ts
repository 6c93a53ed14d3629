import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { closeOpened } from '../support/closing.ts';
import { startDns } from '../support/dns.ts';
import { answering, type Origin, startOrigin } from '../support/origin.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel } from '../support/raw-client.ts';
import { certificateFor, loopback, startScene } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const OK_CLOSE = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok';
const LISTENERS = { listen: { proxy: ['127.0.0.1:0'] }, admin: { listen: ['127.0.0.1:0'] } };

async function change(postern: Postern, file: string, text: string): Promise<void> {
  postern.write(file, text);
  const answer = await fetch(`${postern.adminUrl}/v1/reload`, { method: 'POST' });
  if (answer.status !== 200) throw new Error(await answer.text());
}

/** One plain-HTTP request on a connection of its own; the answer. */
async function ask(postern: Postern, authority: string): Promise<string> {
  const client = await connectRaw(postern.proxyPort);
  client.send(`GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`);
  return await client.untilEnded();
}

const seenBy = (origin: Origin): string => origin.connections.map(({ received }) => received).join('');

describe('every name in a request', () => {
  it.each([
    ['another Host', (authority: string) => `GET /attack HTTP/1.1\r\nHost: other.test\r\nX: ${authority}\r\n\r\n`],
    ['another port in Host', () => 'GET /attack HTTP/1.1\r\nHost: origin.test:1\r\n\r\n'],
    ['the usual port in Host', () => 'GET /attack HTTP/1.1\r\nHost: origin.test\r\n\r\n'],
    [
      'another absolute target',
      (authority: string) => `GET https://other.test/attack HTTP/1.1\r\nHost: ${authority}\r\n\r\n`,
    ],
    [
      'another port in the target',
      (authority: string) => `GET https://origin.test:1/attack HTTP/1.1\r\nHost: ${authority}\r\n\r\n`,
    ],
    [
      'another scheme in the target',
      (authority: string) => `GET http://${authority}/attack HTTP/1.1\r\nHost: ${authority}\r\n\r\n`,
    ],
    [
      'user information',
      (authority: string) => `GET https://x@${authority}/attack HTTP/1.1\r\nHost: ${authority}\r\n\r\n`,
    ],
    ['authority-form', (authority: string) => `GET ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`],
    ['CONNECT inside', (authority: string) => `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`],
    ['a subdomain', (authority: string) => `GET /attack HTTP/1.1\r\nHost: a.${authority}\r\n\r\n`],
    [
      'the address',
      (authority: string) => `GET /attack HTTP/1.1\r\nHost: ${authority.replace('origin.test', '127.0.0.1')}\r\n\r\n`,
    ],
  ])('is the same host: with %s it is refused, first or later on the connection', async (_name, request) => {
    const { origin, authority, tunnel } = await startScene({ origin: { onConnection: answering(OK) } });
    const first = await tunnel();
    first.send(request(authority));
    await first.until(/^HTTP\/1\.1 4\d\d (TARGET_MISMATCH|TARGET_INVALID|METHOD_DENIED)\r\n/);
    const later = await tunnel();
    later.send(`GET /good HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await later.take(/ok$/);
    later.send(request(authority));
    await later.until(/^HTTP\/1\.1 4\d\d (TARGET_MISMATCH|TARGET_INVALID|METHOD_DENIED)\r\n/);
    expect(seenBy(origin)).toMatch(/^GET \/good /);
    expect(seenBy(origin).match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  it('is the same host in its other spellings, which reach the origin as they came', async () => {
    const { origin, authority, tunnel } = await startScene({ origin: { onConnection: answering(OK) } });
    const client = await tunnel();
    const spelled = authority.replace('origin.test', 'Origin.TEST.');
    client.send(`GET https://${spelled}/x HTTP/1.1\r\nHost: ${spelled}\r\n\r\n`);
    await client.take(/ok$/);
    expect(seenBy(origin)).toContain(`GET /x HTTP/1.1\r\nHost: ${spelled}\r\n`);
  });

  it('is what the certificate is verified for, not what another header says', async () => {
    const origin = await startOrigin({ tls: certificateFor('other.test'), onConnection: answering(OK) });
    const policies = `version: 1\nrules:\n  - { hosts: [origin.test, other.test], ports: [${origin.port}] }\n`;
    const postern = await startPostern({ policies, ...loopback() });
    const client = await connectTunnel(postern.proxyPort, `origin.test:${origin.port}`);
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    client.send(`GET / HTTP/1.1\r\nHost: origin.test:${origin.port}\r\nX-Forwarded-Host: other.test\r\n\r\n`);
    await client.until(/^HTTP\/1\.1 502 TLS_UNTRUSTED\r\n/);
    expect(seenBy(origin)).toBe('');
  });

  it('of a CONNECT is one: its Host, twice or of another host, is refused', async () => {
    const { postern, authority } = await startScene();
    for (const [fields, code] of [
      ['Host: other.test:443\r\n', 'TARGET_MISMATCH'],
      [`Host: ${authority}\r\nHost: other.test\r\n`, 'HEADERS_AMBIGUOUS'],
      [`Host: ${authority}\r\nContent-Length: 5\r\n`, 'FRAMING_INVALID'],
      [`Host: ${authority}\r\nTransfer-Encoding: chunked\r\n`, 'FRAMING_INVALID'],
    ] as const) {
      const client = await connectRaw(postern.proxyPort);
      client.send(`CONNECT ${authority} HTTP/1.1\r\n${fields}\r\n`);
      expect(await client.untilEnded()).toMatch(new RegExp(`^HTTP/1\\.1 4\\d\\d ${code}: `));
    }
  });
});

/** Answers that lead somewhere private, in every dress that they come in. */
const PRIVATE: readonly (readonly [what: string, address: string])[] = [
  ['loopback', '127.0.0.1'],
  ['another loopback address', '127.1.2.3'],
  ['this network', '0.0.0.0'],
  ['private 10/8', '10.0.0.1'],
  ['private 172.16/12', '172.31.255.255'],
  ['private 192.168/16', '192.168.1.1'],
  ['shared 100.64/10', '100.64.0.1'],
  ['link-local', '169.254.1.1'],
  ['metadata', '169.254.169.254'],
  ['metadata of another cloud', '100.100.100.200'],
  ['multicast', '224.0.0.1'],
  ['broadcast', '255.255.255.255'],
  ['reserved', '240.0.0.1'],
  ['benchmarking', '198.18.0.1'],
  ['IPv6 loopback', '::1'],
  ['IPv6 unspecified', '::'],
  ['unique local', 'fd00::1'],
  ['metadata in IPv6', 'fd00:ec2::254'],
  ['IPv6 link-local', 'fe80::1'],
  ['IPv6 multicast', 'ff02::1'],
  ['loopback as v4-mapped', '::ffff:127.0.0.1'],
  ['private as v4-mapped', '::ffff:10.0.0.1'],
  ['metadata as v4-mapped', '::ffff:169.254.169.254'],
  ['loopback through NAT64', '64:ff9b::127.0.0.1'],
  ['metadata through NAT64', '64:ff9b::169.254.169.254'],
  ['private through 6to4', '2002:a00:1::1'],
  ['loopback as v4-compatible', '::127.0.0.1'],
];

describe('the address dialled', () => {
  it('is never one of private space, whatever DNS answers', async () => {
    const names = PRIVATE.map((_entry, index) => `n${index}.test`);
    const dns = await startDns(Object.fromEntries(PRIVATE.map(([, address], index) => [`n${index}.test`, [address]])));
    const postern = await startPostern({
      policies: `version: 1\nrules:\n  - { hosts: ["*.test"], schemes: [http, https] }\n`.replace(
        '"*.test"',
        names.join(', '),
      ),
      settings: { upstream: { dns: [`127.0.0.1:${dns.port}`] } },
    });
    const codes: Record<string, string | undefined> = {};
    for (const [index, [what]] of PRIVATE.entries()) {
      const plain = /^HTTP\/1\.1 403 (\w+)/.exec(await ask(postern, `n${index}.test`))?.[1];
      const client = await connectRaw(postern.proxyPort);
      client.send(`CONNECT n${index}.test:443 HTTP/1.1\r\n\r\n`);
      const tunnel = /^HTTP\/1\.1 403 (\w+)/.exec(await client.untilEnded())?.[1];
      codes[what] = `${plain} ${tunnel}`;
    }
    expect(codes).toEqual(Object.fromEntries(PRIVATE.map(([what]) => [what, 'ADDRESS_DENIED ADDRESS_DENIED'])));
    expect(postern.audit.every(({ address }) => address === null)).toBe(true);
  });

  it('is never one of private space for a literal either', async () => {
    const postern = await startPostern({ policies: 'version: 1\ndefault: allow\nrules: []\n' });
    for (const [what, address] of PRIVATE) {
      const host = address.includes(':') ? `[${address}]` : address;
      expect([what, await ask(postern, host)]).toEqual([
        what,
        expect.stringMatching(/^HTTP\/1\.1 (403 ADDRESS_DENIED|400 TARGET_INVALID)\r\n/),
      ]);
    }
  });

  it('is one of those that were judged: forbidden answers are dropped, the others tried', async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const dns = await startDns({ 'mixed.test': ['10.0.0.1', '127.0.0.2', '127.0.0.1', '::ffff:127.0.0.2'] });
    const postern = await startPostern({
      policies: `version: 1\nrules:\n  - { hosts: [mixed.test], schemes: [http], ports: [${origin.port}] }\n`,
      settings: { upstream: { dns: [`127.0.0.1:${dns.port}`], allow_addresses: ['127.0.0.1/32'] } },
    });
    expect(await ask(postern, `mixed.test:${origin.port}`)).toMatch(/ok$/);
    expect(await postern.audited({ host: 'mixed.test' })).toMatchObject({ address: `127.0.0.1:${origin.port}` });
  });

  it('is judged as IPv4 and dialled when it came v4-mapped', async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const dns = await startDns({ 'mapped.test': ['::ffff:127.0.0.1'] });
    const postern = await startPostern({
      policies: `version: 1\nrules:\n  - { hosts: [mapped.test], schemes: [http], ports: [${origin.port}] }\n`,
      settings: { upstream: { dns: [`127.0.0.1:${dns.port}`], allow_addresses: ['127.0.0.1/32'] } },
    });
    expect(await ask(postern, `mapped.test:${origin.port}`)).toMatch(/ok$/);
  });

  it('is judged anew at every resolution: an answer that moves into private space later is refused', async () => {
    const origin = await startOrigin({ onConnection: answering(OK_CLOSE) });
    const dns = await startDns({ 'rebind.test': ['127.0.0.1'] });
    const postern = await startPostern({
      policies: `version: 1\nrules:\n  - { hosts: [rebind.test], schemes: [http], ports: [${origin.port}] }\n`,
      settings: {
        upstream: { dns: [`127.0.0.1:${dns.port}`], allow_addresses: ['127.0.0.1/32'] },
        limits: { dns_cache: '1ms' },
      },
    });
    const authority = `rebind.test:${origin.port}`;
    const client = await connectRaw(postern.proxyPort);
    const get = `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
    client.send(get);
    await client.take(/ok$/);
    dns.zone['rebind.test'] = ['127.0.0.2', '169.254.169.254', '::1'];
    client.send(get);
    await client.until(/^HTTP\/1\.1 403 ADDRESS_DENIED\r\n/);
    expect(origin.connections).toHaveLength(1);
  });

  it('follows a reload of fixed answers', async () => {
    const origin = await startOrigin({ onConnection: answering(OK_CLOSE) });
    const policies = `version: 1\nrules:\n  - { hosts: [plain.test], schemes: [http], ports: [${origin.port}] }\n`;
    const postern = await startPostern({ policies, ...loopback() });
    expect(await ask(postern, `plain.test:${origin.port}`)).toMatch(/ok$/);
    const upstream = { hosts: { 'plain.test': ['10.0.0.1'] }, allow_addresses: ['127.0.0.0/8'] };
    await change(postern, 'postern.yaml', stringify({ version: 1, ...LISTENERS, upstream }));
    expect(await ask(postern, `plain.test:${origin.port}`)).toMatch(/^HTTP\/1\.1 403 ADDRESS_DENIED\r\n/);
  });

  it('is private only where a rule names the host: neither "default: allow" nor "mode: observe" opens it', async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    for (const head of ['default: allow', 'mode: observe']) {
      const postern = await startPostern({ policies: `version: 1\n${head}\nrules: []\n`, ...loopback() });
      expect(await ask(postern, `plain.test:${origin.port}`)).toMatch(/^HTTP\/1\.1 403 ADDRESS_DENIED\r\n/);
      const client = await connectRaw(postern.proxyPort);
      client.send(`CONNECT plain.test:${origin.port} HTTP/1.1\r\n\r\n`);
      expect(await client.untilEnded()).toMatch(/^HTTP\/1\.1 403 ADDRESS_DENIED/);
    }
    expect(origin.connections).toHaveLength(0);
  });

  it('is a metadata address only where it is allowed exactly', async () => {
    const settings = { upstream: { hosts: { 'meta.test': ['169.254.169.254'] }, allow_addresses: ['169.254.0.0/16'] } };
    const policies = 'version: 1\nrules:\n  - { hosts: [meta.test], schemes: [http] }\n';
    const postern = await startPostern({ policies, settings });
    expect(await ask(postern, 'meta.test')).toMatch(/^HTTP\/1\.1 403 ADDRESS_DENIED\r\n/);
  });
});

describe('our own listeners', () => {
  it('are not reachable through the proxy, by any name or address, whatever is allowed', async () => {
    const base = loopback();
    const postern = await startPostern({ policies: 'version: 1\nrules: []\n', ...base });
    const ports = `[${postern.proxyPort}, ${postern.adminPort}]`;
    await change(
      postern,
      'policies/test.yaml',
      `version: 1
rules:
  - { hosts: [plain.test, localhost, "127.0.0.1", "[::1]"], schemes: [http, https], ports: ${ports} }
subnets:
  allow: [{ cidr: 127.0.0.0/8, ports: ${ports} }, { cidr: "::1/128", ports: ${ports} }]
`,
    );
    const reached: string[] = [];
    for (const port of [postern.proxyPort, postern.adminPort]) {
      for (const host of ['plain.test', 'localhost', '127.0.0.1', '[::ffff:127.0.0.1]']) {
        const plain = await ask(postern, `${host}:${port}`);
        if (!/^HTTP\/1\.1 (403 ADDRESS_DENIED|403 HOST_DENIED)/.test(plain))
          reached.push(`${host}:${port} ${plain.slice(0, 40)}`);
        const client = await connectRaw(postern.proxyPort);
        client.send(`CONNECT ${host}:${port} HTTP/1.1\r\n\r\n`);
        const tunnel = await client.untilEnded();
        if (!/^HTTP\/1\.1 403 (ADDRESS|HOST)_DENIED/.test(tunnel))
          reached.push(`CONNECT ${host}:${port} ${tunnel.slice(0, 40)}`);
      }
    }
    expect(reached).toEqual([]);
  });
});
