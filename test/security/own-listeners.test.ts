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
    return { postern, ports };
  },
  ({ postern }) => {
    expectUnharmed(postern);
    // Whatever was dialled refused the connection: no line has an address.
    expect(postern.audit.every(({ address }) => address === null)).toBe(true);
  },
);

const listeners = (log: string): readonly number[] =>
  [...log.matchAll(/"listener":"[^"]*:(\d+)"[^\n]*"msg":"(?:admin )?listening"/g)].map(([, port]) => Number(port));

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
  const { ports } = scene();
  const reached: string[] = [];
  for (const port of ports) {
    for (const request of [getFrom(`${host}:${port}`, '/v1/status'), connectTo(`${host}:${port}`)]) {
      const code = await outcomeOf(request);
      // An address that nobody listens at on this port may be dialled; what is at the end proves that nothing else was.
      if (!/^(403 (ADDRESS|HOST)_DENIED|400 TARGET_INVALID|502 CONNECT_FAILED)$/.test(code))
        reached.push(`${request} ${code}`);
    }
  }
  expect(reached).toEqual([]);
});
