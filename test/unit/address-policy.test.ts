import { describe, expect, it } from 'vitest';
import { type Ip, parseIp } from '../../src/address/ip.ts';
import { compilePolicy } from '../../src/policy/compile.ts';
import type { SubnetsSpec } from '../../src/policy/model.ts';
import { type AddressPolicyOptions, buildAddressPolicy, type Claim } from '../../src/upstream/address-policy.ts';
import { place, sandbox } from '../support/specs.ts';

const ip = (text: string): Ip => {
  const parsed = parseIp(text);
  if (parsed === null) throw new Error(`not an address: ${text}`);
  return parsed;
};

const subnets = (allow: readonly [string, readonly number[] | null][], deny: readonly string[] = []): SubnetsSpec => ({
  allow: allow.map(([cidr, ports]) => ({ place: place(1), cidr, ports })),
  deny: deny.map((cidr) => ({ place: place(2), cidr })),
});

interface Setting extends Partial<AddressPolicyOptions> {
  readonly subnets?: SubnetsSpec;
}

function verdictOf(address: string, port: number, claim: Exclude<Claim, 'forward'>, setting: Setting = {}): string {
  const addresses = buildAddressPolicy({ allowAddresses: [], listeners: () => [], interfaces: () => [], ...setting });
  const policy = compilePolicy(sandbox({ subnets: setting.subnets ?? subnets([]) }));
  const verdict = addresses.judge(ip(address), port, claim, policy);
  return verdict.ok ? 'ok' : verdict.reason;
}

const isOk = (...args: Parameters<typeof verdictOf>): boolean => verdictOf(...args) === 'ok';

describe('public addresses', () => {
  it.each(['93.184.216.34', '2606:2800:220:1::1', '::ffff:93.184.216.34', '64:ff9b::5db8:d822'])(
    '%s is open to every host',
    (address) => {
      expect(verdictOf(address, 443, 'named')).toBe('ok');
      expect(verdictOf(address, 443, 'unnamed')).toBe('ok');
    },
  );

  it('are not raw unless subnets.allow holds them', () => {
    expect(verdictOf('93.184.216.34', 443, 'subnet')).toContain('"subnets.allow" does not open');
    expect(isOk('93.184.216.34', 443, 'subnet', { subnets: subnets([['93.184.216.34/32', null]]) })).toBe(true);
  });
});

const FORBIDDEN = [
  '127.0.0.1',
  '10.20.3.4',
  '172.16.0.1',
  '192.168.1.1',
  '169.254.1.1',
  '100.64.0.1',
  '198.18.0.1',
  '::1',
  'fd00::1',
  'fe80::1',
  '::ffff:10.20.3.4',
  '64:ff9b::a14:304',
  '2002:a14:304::1',
];

describe('forbidden space', () => {
  it.each(FORBIDDEN)('%s is closed without a list', (address) => {
    expect(isOk(address, 443, 'named')).toBe(false);
    expect(isOk(address, 443, 'unnamed')).toBe(false);
    expect(isOk(address, 443, 'subnet')).toBe(false);
  });

  it.each(['127.0.0.1', '10.20.3.4', '100.64.0.1', 'fd00::1', 'fe80::1'])(
    'allow_addresses opens %s to hosts that a rule names, and to them only',
    (address) => {
      const setting = { allowAddresses: ['127.0.0.0/8', '10.20.0.0/16', '100.64.0.0/10', 'fc00::/7', 'fe80::/10'] };
      expect(verdictOf(address, 443, 'named', setting)).toBe('ok');
      expect(verdictOf(address, 443, 'unnamed', setting)).toContain('only a rule that names the host can open');
      expect(isOk(address, 443, 'subnet', setting)).toBe(false);
    },
  );

  it('a v4-mapped address is the IPv4 address, and NAT64 to private space needs its own block', () => {
    const setting = { allowAddresses: ['10.20.0.0/16'] };
    expect(isOk('::ffff:10.20.3.4', 443, 'named', setting)).toBe(true);
    expect(isOk('64:ff9b::a14:304', 443, 'named', setting)).toBe(false);
    expect(isOk('64:ff9b::a14:304', 443, 'named', { allowAddresses: ['64:ff9b::/96'] })).toBe(true);
  });

  it('subnets.allow does not open private space to names, whose resolver could point anywhere', () => {
    expect(isOk('10.20.3.4', 443, 'named', { subnets: subnets([['10.20.0.0/16', [443]]]) })).toBe(false);
  });

  it.each(['0.0.0.0', '::', '224.0.0.1', 'ff02::1', '255.255.255.255'])('%s is never open', (address) => {
    const setting = {
      allowAddresses: ['0.0.0.0/0', '::/0'],
      subnets: subnets([
        ['0.0.0.0/0', null],
        ['::/0', null],
      ]),
    };
    expect(isOk(address, 443, 'named', setting)).toBe(false);
    expect(isOk(address, 443, 'subnet', setting)).toBe(false);
  });
});

describe('subnets.allow', () => {
  it('opens literals raw on its ports, 80 and 443 without any', () => {
    const setting = {
      subnets: subnets([
        ['10.1.0.0/16', [5432]],
        ['10.2.0.0/16', null],
      ]),
    };
    expect(isOk('10.1.2.3', 5432, 'subnet', setting)).toBe(true);
    expect(isOk('10.1.2.3', 443, 'subnet', setting)).toBe(false);
    expect(isOk('10.2.2.3', 80, 'subnet', setting)).toBe(true);
    expect(isOk('10.2.2.3', 443, 'subnet', setting)).toBe(true);
    expect(isOk('10.2.2.3', 22, 'subnet', setting)).toBe(false);
  });
});

describe('addresses where clouds serve credentials', () => {
  it.each(['169.254.169.254', '100.100.100.200', '192.0.0.192', '168.63.129.16', 'fd00:ec2::254'])(
    '%s needs its exact block, not one that covers it',
    (address) => {
      const exact = `${address}/${address.includes(':') ? 128 : 32}`;
      const covering = ['169.254.0.0/16', '100.64.0.0/10', '192.0.0.0/24', '168.63.0.0/16', 'fc00::/7'];
      expect(isOk(address, 80, 'named', { allowAddresses: covering })).toBe(false);
      expect(isOk(address, 80, 'named', { allowAddresses: [exact] })).toBe(true);
      expect(isOk(address, 80, 'unnamed', { allowAddresses: [exact] })).toBe(false);
      expect(isOk(address, 80, 'subnet', { subnets: subnets(covering.map((cidr) => [cidr, null])) })).toBe(false);
      expect(isOk(address, 80, 'subnet', { subnets: subnets([[exact, null]]) })).toBe(true);
    },
  );
});

describe('subnets.deny', () => {
  it.each<[string, Exclude<Claim, 'forward'>]>([
    ['10.1.9.7', 'named'],
    ['10.1.9.7', 'subnet'],
    ['::ffff:10.1.9.7', 'named'],
    ['64:ff9b::a01:907', 'named'],
    ['93.184.216.34', 'named'],
    ['93.184.216.34', 'unnamed'],
  ])('wins over every list, for names that resolve into it too: %s %s', (address, claim) => {
    const setting = {
      allowAddresses: ['10.0.0.0/8', '64:ff9b::/96'],
      subnets: subnets([['10.1.0.0/16', null]], ['10.1.9.0/24', '93.184.216.0/24']),
    };
    expect(verdictOf(address, 443, claim, setting)).toContain('which "subnets.deny" refuses');
  });
});

describe('our own listeners', () => {
  const open = { allowAddresses: ['127.0.0.0/8', '10.0.0.0/8', '::1/128', 'fd00::/8'] };
  const interfaces = () => ['127.0.0.1', '10.0.0.5', '203.0.113.5', 'fd00::5'];

  it('cannot be reached, whatever is allowed; the next port can', () => {
    const setting = { ...open, listeners: () => [{ kind: 'tcp', host: '127.0.0.1', port: 9464 } as const] };
    expect(verdictOf('127.0.0.1', 9464, 'named', setting)).toBe('127.0.0.1 is where this proxy listens on port 9464');
    expect(isOk('::ffff:127.0.0.1', 9464, 'named', setting)).toBe(false);
    expect(isOk('127.0.0.1', 9465, 'named', setting)).toBe(true);
    expect(isOk('127.0.0.2', 9464, 'named', setting)).toBe(true);
  });

  it.each(['0.0.0.0', '::', '[::]'])('a listener on all addresses (%s) is every address of this machine', (host) => {
    const setting = { ...open, interfaces, listeners: () => [{ kind: 'tcp', host, port: 8080 } as const] };
    for (const address of ['127.0.0.1', '127.8.9.1', '::1', '10.0.0.5', 'fd00::5', '203.0.113.5', '::ffff:10.0.0.5']) {
      expect(isOk(address, 8080, 'named', setting), address).toBe(false);
    }
    expect(isOk('10.0.0.6', 8080, 'named', setting)).toBe(true);
  });

  it('cannot be reached through NAT64 or 6to4, which would bring a connection back', () => {
    const setting = {
      allowAddresses: ['::/0', '0.0.0.0/0'],
      interfaces,
      listeners: () => [{ kind: 'tcp', host: '0.0.0.0', port: 8080 } as const],
    };
    for (const address of ['64:ff9b::203.0.113.5', '64:ff9b::127.0.0.1', '2002:cb00:7105::1', '2002:a00:5::1']) {
      expect(isOk(address, 8080, 'named', setting), address).toBe(false);
      expect(isOk(address, 8081, 'named', setting), address).toBe(true);
    }
    expect(isOk('64:ff9b::203.0.113.6', 8080, 'named', setting)).toBe(true);
  });

  it('a listener on localhost is every loopback address', () => {
    const setting = { ...open, listeners: () => [{ kind: 'tcp', host: 'localhost', port: 8080 } as const] };
    expect(isOk('127.0.0.1', 8080, 'named', setting)).toBe(false);
    expect(isOk('::1', 8080, 'named', setting)).toBe(false);
  });

  it('are asked for anew each time, since a port is known only once it is bound', () => {
    const listeners: { kind: 'tcp'; host: string; port: number }[] = [];
    const addresses = buildAddressPolicy({ ...open, listeners: () => listeners });
    const policy = compilePolicy(sandbox());
    expect(addresses.judge(ip('127.0.0.1'), 4711, 'named', policy).ok).toBe(true);
    listeners.push({ kind: 'tcp', host: '127.0.0.1', port: 4711 });
    expect(addresses.judge(ip('127.0.0.1'), 4711, 'named', policy).ok).toBe(false);
  });

  it('a Unix socket is no address', () => {
    expect(isOk('127.0.0.1', 80, 'named', { ...open, listeners: () => [{ kind: 'unix' } as const] })).toBe(true);
  });

  it('the real interfaces of this machine are known without being told', () => {
    const listeners = () => [{ kind: 'tcp', host: '0.0.0.0', port: 8080 } as const];
    const addresses = buildAddressPolicy({ allowAddresses: ['0.0.0.0/0', '::/0'], listeners });
    expect(addresses.judge(ip('127.0.0.1'), 8080, 'named', compilePolicy(sandbox())).ok).toBe(false);
  });
});

it('settings that were not validated are a mistake of ours, not silently fewer blocks', () => {
  expect(() => buildAddressPolicy({ allowAddresses: ['10.0.0.1/8'], listeners: () => [] })).toThrow(TypeError);
});

describe('an address that a rule forwards to', () => {
  const forwardTo = [
    { host: 'audit.example', ports: [443, 8443], addresses: ['10.20.0.0/16', '93.184.216.34/32'] },
    { host: 'open.example', ports: [443], addresses: null },
  ];
  const verdict = (address: string, host: string, port: number, setting: Setting = {}): string => {
    const addresses = buildAddressPolicy({
      allowAddresses: ['10.0.0.0/8'],
      forwardTo,
      listeners: () => [],
      ...setting,
    });
    const policy = compilePolicy(sandbox({ subnets: setting.subnets ?? subnets([]) }));
    const found = addresses.judgeForward(ip(address), host, port, policy);
    return found.ok ? 'ok' : found.reason;
  };

  it('is one of the blocks of its entry, public ones included; without blocks a public one', () => {
    expect(verdict('10.20.3.4', 'audit.example', 8443)).toBe('ok');
    expect(verdict('93.184.216.34', 'audit.example', 443)).toBe('ok');
    expect(verdict('93.184.216.35', 'audit.example', 443)).toContain('which its entry of "forward_to" does not open');
    expect(verdict('10.21.0.1', 'audit.example', 443)).toContain('which its entry of "forward_to" does not open');
    expect(verdict('93.184.216.35', 'open.example', 443)).toBe('ok');
    expect(verdict('10.20.3.4', 'open.example', 443)).toContain('does not open');
  });

  it.each([
    ['other.example', 443],
    ['audit.example', 80],
    ['sub.audit.example', 443],
  ])('is of a host and port that forward_to has: not %s:%s', (host, port) => {
    expect(verdict('10.20.3.4', host, port)).toBe('it is not in "forward_to"');
  });

  it('is never one of ours, of subnets.deny, or a metadata service that a block merely covers', () => {
    const listeners = () => [{ kind: 'tcp', host: '10.20.3.4', port: 443 } as const];
    expect(verdict('10.20.3.4', 'audit.example', 443, { listeners })).toContain('where this proxy listens');
    expect(verdict('10.20.3.4', 'audit.example', 443, { subnets: subnets([], ['10.20.0.0/16']) })).toContain(
      '"subnets.deny"',
    );
    const covering = [{ host: 'a.example', ports: [443], addresses: ['169.254.0.0/16'] }];
    expect(verdict('169.254.169.254', 'a.example', 443, { forwardTo: covering })).toContain('does not open');
  });
});
