import { describe, expect, it } from 'vitest';
import { connectTo, expectUnharmed, getFrom, OK, refusalOf } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { type DnsServer, startDns } from '../support/dns.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { connectRaw } from '../support/raw-client.ts';

closeOpened();

/** Addresses that lead somewhere private or nowhere, in every dress that they come in. */
const PRIVATE: readonly (readonly [what: string, address: string])[] = [
  ['loopback', '127.0.0.1'],
  ['another loopback address', '127.1.2.3'],
  ['the last loopback address', '127.255.255.255'],
  ['this host', '0.0.0.0'],
  ['this network', '0.1.2.3'],
  ['private 10/8', '10.0.0.1'],
  ['private 172.16/12', '172.16.0.1'],
  ['the end of private 172.16/12', '172.31.255.255'],
  ['private 192.168/16', '192.168.1.1'],
  ['shared 100.64/10', '100.64.0.1'],
  ['the end of shared 100.64/10', '100.127.255.255'],
  ['link-local', '169.254.1.1'],
  ['metadata of most clouds', '169.254.169.254'],
  ['metadata of ECS tasks', '169.254.170.2'],
  ['metadata of EKS pods', '169.254.170.23'],
  ['metadata of Alibaba', '100.100.100.200'],
  ['metadata of Oracle Classic', '192.0.0.192'],
  ["Azure's wire server", '168.63.129.16'],
  ['IETF assignments 192.0.0.0/24', '192.0.0.8'],
  ['documentation 192.0.2.0/24', '192.0.2.1'],
  ['documentation 198.51.100.0/24', '198.51.100.1'],
  ['documentation 203.0.113.0/24', '203.0.113.1'],
  ['benchmarking 198.18.0.0/15', '198.18.0.1'],
  ['the end of benchmarking', '198.19.255.255'],
  ['the 6to4 relay', '192.88.99.1'],
  ['multicast', '224.0.0.1'],
  ['reserved', '240.0.0.1'],
  ['broadcast', '255.255.255.255'],
  ['IPv6 loopback', '::1'],
  ['IPv6 unspecified', '::'],
  ['unique local', 'fd00::1'],
  ['unique local fc00::/8', 'fc00::1'],
  ['site-local fec0::/10', 'fec0::1'],
  ['metadata of AWS in IPv6', 'fd00:ec2::254'],
  ['metadata of GCP in IPv6', 'fd20:ce::254'],
  ['IPv6 link-local', 'fe80::1'],
  ['IPv6 multicast', 'ff02::1'],
  ['IPv6 documentation', '2001:db8::1'],
  ['IPv6 benchmarking', '2001:2::1'],
  ['Teredo', '2001::1'],
  ['ORCHID', '2001:20::1'],
  ['discard', '100::1'],
  ['segment routing', '5f00::1'],
  ['IPv6 outside global unicast', '4000::1'],
  ['loopback as v4-mapped (CVE-2024-24790)', '::ffff:127.0.0.1'],
  ['private as v4-mapped', '::ffff:10.0.0.1'],
  ['metadata as v4-mapped', '::ffff:169.254.169.254'],
  ['this host as v4-mapped', '::ffff:0.0.0.0'],
  ['loopback as v4-translated', '::ffff:0:127.0.0.1'],
  ['loopback as v4-compatible', '::127.0.0.1'],
  ['loopback through NAT64', '64:ff9b::127.0.0.1'],
  ['metadata through NAT64', '64:ff9b::169.254.169.254'],
  ['metadata through a local NAT64', '64:ff9b:1::169.254.169.254'],
  ['private through 6to4', '2002:a00:1::1'],
  ['metadata through 6to4', '2002:a9fe:a9fe::1'],
];

const settings = (dns: DnsServer, more: object = {}) => ({ upstream: { dns: [`127.0.0.1:${dns.port}`], ...more } });

describe('an address', () => {
  const nameOf = (address: string): string => `n${PRIVATE.findIndex(([, each]) => each === address)}.test`;

  /** One Postern whose rules name each host, and one that allows every host that no rule names. */
  const scene = shared(
    async () => {
      const dns = await startDns(Object.fromEntries(PRIVATE.map(([, address]) => [nameOf(address), [address]])));
      const hosts = PRIVATE.map(([, address]) => nameOf(address)).join(', ');
      const [named, open] = await Promise.all([
        startPostern({
          policies: `version: 1\nrules:\n  - { hosts: [${hosts}], schemes: [http, https] }\n`,
          settings: settings(dns),
        }),
        startPostern({ policies: 'version: 1\ndefault: allow\nrules: []\n', settings: settings(dns) }),
      ]);
      return { named, open };
    },
    ({ named, open }) => {
      for (const postern of [named, open]) {
        expectUnharmed(postern);
        expect(postern.audit.every(({ address }) => address === null)).toBe(true);
      }
    },
  );

  const refusals = async (postern: Postern, host: string): Promise<readonly string[]> => [
    await refusalOf(postern, getFrom(host)),
    await refusalOf(postern, connectTo(`${host}:443`)),
  ];

  it.each(PRIVATE)(
    'of %s is not dialled, whether DNS answers it for a name of a rule or for any name',
    async (_what, address) => {
      const { named, open } = scene();
      const denied = ['403 ADDRESS_DENIED', '403 ADDRESS_DENIED'];
      expect(await refusals(named, nameOf(address))).toEqual(denied);
      expect(await refusals(open, nameOf(address))).toEqual(denied);
    },
  );

  it.each(PRIVATE)('of %s is not dialled as a literal', async (_what, address) => {
    const literal = address.includes(':') ? `[${address}]` : address;
    const { open } = scene();
    const client = await connectRaw(open.proxyPort);
    // A tunnel to an address that no rule names waits for a TLS name inside, which does not come.
    client.send(`${connectTo(`${literal}:443`)}GET / HTTP/1.1\r\n\r\n`);
    expect(await client.untilEnded()).toMatch(/^(HTTP\/1\.1 200 OK\r\n\r\n)?$|^HTTP\/1\.1 400 TARGET_INVALID/);
    expect(await refusalOf(open, getFrom(literal))).toMatch(/^(403 ADDRESS_DENIED|400 TARGET_INVALID)$/);
  });
});

describe('DNS', () => {
  it('that answers a private address beside one that is allowed does not have it dialled when that one fails', async () => {
    const trap = await startOrigin({ host: '127.0.0.2', onConnection: answering(OK) });
    const dns = await startDns({ 'mixed.test': ['127.0.0.9', '127.0.0.2', '::1'] });
    const postern = await startPostern({
      policies: `version: 1\nrules:\n  - { hosts: [mixed.test], schemes: [http], ports: [${trap.port}] }\n`,
      settings: settings(dns, { allow_addresses: ['127.0.0.9/32'] }),
    });
    expect(await refusalOf(postern, getFrom(`mixed.test:${trap.port}`))).toBe('502 CONNECT_FAILED');
    expect(trap.connections).toHaveLength(0);
  });

  it('that changes its answer while attempts run is not asked again: the second attempt dials what was judged', async () => {
    const origin = await startOrigin({ host: '127.0.0.3', onConnection: answering(OK) });
    const trap = await startOrigin({ host: '127.0.0.2', port: origin.port, onConnection: answering(OK) });
    const dns = await startDns({ 'rebind.test': ['127.0.0.9', '127.0.0.3'] });
    const postern = await startPostern({
      policies: `version: 1\nrules:\n  - { hosts: [rebind.test], schemes: [http], ports: [${origin.port}] }\n`,
      settings: {
        ...settings(dns, { allow_addresses: ['127.0.0.0/8'] }),
        limits: { dns_cache: '1ms' },
      },
    });
    const client = await connectRaw(postern.proxyPort);
    dns.hold();
    client.send(getFrom(`rebind.test:${origin.port}`));
    while (dns.questions.length < 2) await new Promise(setImmediate);
    dns.release();
    dns.zone['rebind.test'] = ['127.0.0.2'];
    await client.take(/ok$/);
    expect(trap.connections).toHaveLength(0);
    expect([...dns.questions].sort()).toEqual(['A rebind.test', 'AAAA rebind.test']);
  });

  it('that answers a public address first and a private one for the next request is judged again', async () => {
    const origin = await startOrigin({ onConnection: answering(OK.replace('\r\n', '\r\nConnection: close\r\n')) });
    const dns = await startDns({ 'rebind.test': ['127.0.0.1'] });
    const postern = await startPostern({
      policies: `version: 1\nrules:\n  - { hosts: [rebind.test], schemes: [http], ports: [${origin.port}] }\n`,
      settings: { ...settings(dns, { allow_addresses: ['127.0.0.1/32'] }), limits: { dns_cache: '1ms' } },
    });
    const get = getFrom(`rebind.test:${origin.port}`);
    const client = await connectRaw(postern.proxyPort);
    client.send(get);
    await client.take(/ok$/);
    for (const answer of [['169.254.169.254'], ['::1'], ['127.0.0.2', '10.0.0.1'], ['::ffff:127.0.0.2']]) {
      dns.zone['rebind.test'] = answer;
      client.send(get);
      await client.take(/^HTTP\/1\.1 403 ADDRESS_DENIED\r\n[\s\S]*\}\}\n$/);
    }
    expect(origin.connections).toHaveLength(1);
  });

  it('that answers a private address between a CONNECT and its requests does not have it dialled', async () => {
    const dns = await startDns({ 'rebind.test': ['127.0.0.1'] });
    const trap = await startOrigin({ host: '127.0.0.2', onConnection: answering(OK) });
    const postern = await startPostern({
      policies: `version: 1\nrules:\n  - { hosts: [rebind.test], schemes: [http], ports: [${trap.port}] }\n`,
      settings: { ...settings(dns, { allow_addresses: ['127.0.0.1/32'] }), limits: { dns_cache: '1ms' } },
    });
    const client = await connectRaw(postern.proxyPort);
    client.send(connectTo(`rebind.test:${trap.port}`));
    await client.take(/^HTTP\/1\.1 200 [\s\S]*\r\n\r\n/);
    dns.zone['rebind.test'] = ['127.0.0.2'];
    client.send(`GET / HTTP/1.1\r\nHost: rebind.test:${trap.port}\r\n\r\n`);
    await client.until(/^HTTP\/1\.1 403 ADDRESS_DENIED\r\n/);
    expect(trap.connections).toHaveLength(0);
  });

  it.each([
    ['an address with a zone', ['fe80::1']],
    ['nothing', []],
  ])('that answers %s is no way out', async (_attack, answer) => {
    const dns = await startDns({ 'odd.test': answer });
    const postern = await startPostern({
      policies: 'version: 1\nrules:\n  - { hosts: [odd.test], schemes: [http] }\n',
      settings: settings(dns),
    });
    expect(await refusalOf(postern, getFrom('odd.test'))).toMatch(/^(403 ADDRESS_DENIED|502 DNS_FAILED)$/);
  });
});
