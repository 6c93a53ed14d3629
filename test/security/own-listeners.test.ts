import { networkInterfaces } from 'node:os';
import { expect, it } from 'vitest';
import { connectTo, expectUnharmed, getFrom, refusalOn } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { startDns } from '../support/dns.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw } from '../support/raw-client.ts';

closeOpened();

/** This machine's own addresses, as an attacker inside it would find them. */
const MACHINE = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .filter(({ address, internal }) => !internal && !address.startsWith('fe80:'))
  .map(({ address }) => (address.includes(':') ? `[${address}]` : address));
const HAS_IPV6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));

const MACHINE_IPV4 = MACHINE.find((address) => !address.startsWith('[')) ?? '127.0.0.1';

/** `192.0.2.1` as the two groups that stand in an IPv6 address. */
function hexOf(ipv4: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

/** Names that lead to the proxy: by the operator's list, by DNS, and by themselves. */
const ADDRESS_BY_NAME: Readonly<Record<string, string>> = {
  'loopback.test': '127.0.0.1',
  'another-loopback.test': '127.1.2.3',
  'unspecified.test': '0.0.0.0',
  'loopback-six.test': '::1',
  'unspecified-six.test': '::',
  'mapped.test': '::ffff:127.0.0.1',
  'nat64.test': '64:ff9b::7f00:1',
  'six-to-four.test': '2002:7f00:1::1',
  'machine-by-nat64.test': `64:ff9b::${hexOf(MACHINE_IPV4)}`,
  'machine-by-6to4.test': `2002:${hexOf(MACHINE_IPV4)}::1`,
  'machine.test': (MACHINE[0] ?? '127.0.0.1').replace(/^\[|\]$/g, ''),
};

const SPELLINGS: readonly string[] = [
  '127.0.0.1',
  '127.0.0.2',
  '127.255.255.254',
  '0.0.0.0',
  '[::1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:0.0.0.0]',
  '[::127.0.0.1]',
  '[64:ff9b::127.0.0.1]',
  '[2002:7f00:1::1]',
  '127.1',
  '127.0.1',
  '2130706433',
  '0x7f.0.0.1',
  '0x7f000001',
  '017700000001',
  '127.0.0.1.',
  '0',
  '[::ffff:7f00:1]',
  '[0:0:0:0:0:0:0:1]',
  'localhost',
  'LOCALHOST',
  'localhost.',
  'x.localhost',
  ...MACHINE,
  ...Object.keys(ADDRESS_BY_NAME),
  ...Object.keys(ADDRESS_BY_NAME).map((name) => `by-dns-${name}`),
];

const scene = shared(
  async () => {
    const dns = await startDns(
      Object.fromEntries(Object.entries(ADDRESS_BY_NAME).map(([name, address]) => [`by-dns-${name}`, [address]])),
    );
    const everywhere = HAS_IPV6 ? ['0.0.0.0:0', '[::]:0'] : ['0.0.0.0:0'];
    const postern = await startPostern({
      policies: 'version: 1\nrules: []\n',
      settings: {
        listen: { proxy: ['127.0.0.1:0', ...everywhere] },
        upstream: {
          dns: [`127.0.0.1:${dns.port}`],
          hosts: Object.fromEntries(Object.entries(ADDRESS_BY_NAME).map(([name, address]) => [name, [address]])),
          allow_addresses: ['0.0.0.0/0', '::/0'],
        },
      },
    });
    await postern.until(() => (listeners(postern.stderr).length === everywhere.length + 2 ? true : undefined));
    const ports = listeners(postern.stderr);
    const named = SPELLINGS.filter((host) => /^[a-z0-9-]+\.test$|^localhost$|^x\.localhost$/.test(host));
    postern.write('policies/test.yaml', openPolicy(named, ports));
    const answer = await fetch(`${postern.adminUrl}/v1/reload`, { method: 'POST' });
    if (answer.status !== 200) throw new Error(await answer.text());
    return { postern, ports, onLoopback: listeners(postern.stderr, 'loopback') };
  },
  ({ postern }) => {
    expectUnharmed(postern);
    // Whatever was dialled refused the connection: no line has an address.
    expect(postern.audit.every(({ address }) => address === null)).toBe(true);
  },
);

/** The ports that a log says are listened at, on loopback or on every address. */
const listeners = (log: string, where: 'loopback' | 'anywhere' = 'anywhere'): readonly number[] =>
  [...log.matchAll(/"listener":"([^"]*):(\d+)"[^\n]*"msg":"(?:admin )?listening"/g)]
    .filter(([, address]) => where === 'anywhere' || address === '127.0.0.1')
    .map(([, , port]) => Number(port));

/** A policy as open as one can be written: every name and address of the machine, on the proxy's own ports. */
const openPolicy = (hosts: readonly string[], ports: readonly number[]): string => `version: 1
rules:
  - { hosts: [${hosts}, "127.0.0.1", "[::1]"], schemes: [http, https], ports: [${ports}] }
subnets:
  allow: [{ cidr: 0.0.0.0/0, ports: [${ports}] }, { cidr: "::/0", ports: [${ports}] }]
`;

/** The code of a refusal, or, where a tunnel was opened, of a request inside. */
async function outcomeOf(request: string): Promise<string> {
  const client = await connectRaw(scene().postern.proxyPort);
  client.send(request);
  const code = await refusalOn(client);
  if (!request.startsWith('CONNECT ') || code !== '200 OK') return code;
  await client.take(/\r\n\r\n/);
  const [, authority = ''] = request.split(' ');
  client.send(`GET /v1/status HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  return await refusalOn(client);
}

it.each(SPELLINGS)('%s does not lead to a listener of the proxy, whatever is allowed', async (host) => {
  const { ports, onLoopback } = scene();
  const reached: string[] = [];
  // What a router would bring back to this machine does not come to a listener on loopback, so it may be dialled there.
  const asked = host.includes('machine-by') ? ports.filter((port) => !onLoopback.includes(port)) : ports;
  for (const port of asked) {
    for (const request of [getFrom(`${host}:${port}`, '/v1/status'), connectTo(`${host}:${port}`)]) {
      const code = await outcomeOf(request);
      // An address that nobody listens at on this port may be dialled; what is at the end proves that nothing else was.
      if (!/^(403 (ADDRESS|HOST)_DENIED|400 TARGET_INVALID|502 CONNECT_FAILED)$/.test(code))
        reached.push(`${request} ${code}`);
    }
  }
  expect(reached).toEqual([]);
});
