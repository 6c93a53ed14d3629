import { describe, expect, it } from 'vitest';
import { CLASSES, type ClassName, classify, embeddedIpv4 } from '../../../src/address/classes.ts';
import { type Ip, parseIp } from '../../../src/address/ip.ts';

const read = (text: string): Ip => parseIp(text) ?? expect.fail(`bad address in the test: ${text}`);

/** Each block by its edges: the first and the last address in it, and the neighbours outside with their own class. */
const EDGES: readonly (readonly [ClassName, readonly string[]])[] = [
  ['unspecified', ['0.0.0.0', '0.255.255.255', '::']],
  ['public', ['1.0.0.0', '9.255.255.255', '11.0.0.0']],
  ['private', ['10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255', '192.168.0.0', '192.168.255.255']],
  [
    'private',
    ['fc00::', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'fec0::', 'feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ],
  ['public', ['172.15.255.255', '172.32.0.0', '192.167.255.255', '192.169.0.0']],
  ['cgnat', ['100.64.0.0', '100.127.255.255', '100.100.100.199', '100.100.100.201']],
  ['public', ['100.63.255.255', '100.128.0.0']],
  ['loopback', ['127.0.0.0', '127.0.0.1', '127.255.255.255', '::1']],
  ['public', ['126.255.255.255', '128.0.0.0']],
  ['link-local', ['169.254.0.0', '169.254.169.253', '169.254.169.255', '169.254.255.255']],
  ['link-local', ['fe80::', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff']],
  ['public', ['169.253.255.255', '169.255.0.0']],
  ['metadata', ['169.254.169.254', 'fd00:ec2::254', '100.100.100.200', '192.0.0.192', '168.63.129.16']],
  ['metadata', ['169.254.170.2', '169.254.170.23', '169.254.42.42', 'fd00:ec2::23', 'fd20:ce::254', 'fd00:42::42']],
  ['public', ['168.63.129.15', '168.63.129.17']],
  ['private', ['fd00:ec2::253', 'fd00:ec2::255', 'fd20:ce::253']],
  ['ietf', ['192.0.0.0', '192.0.0.191', '192.0.0.193', '192.0.0.255', '2001:1::1', '2001:3::', '2001:1ff:ffff::']],
  ['documentation', ['192.0.2.0', '192.0.2.255', '198.51.100.0', '198.51.100.255', '203.0.113.0', '203.0.113.255']],
  ['documentation', ['2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', '3fff::', '3fff:fff:ffff::']],
  [
    'public',
    ['191.255.255.255', '192.0.1.0', '192.0.3.0', '198.51.99.255', '198.51.101.0', '203.0.112.255', '203.0.114.0'],
  ],
  [
    'public',
    ['2001:db7:ffff::', '2001:db9::', '2001:200::', '3ffe:ffff::', '3fff:1000::', '2000::', '2606:4700::1111'],
  ],
  ['benchmark', ['198.18.0.0', '198.19.255.255', '2001:2::', '2001:2:0:ffff:ffff:ffff:ffff:ffff']],
  ['public', ['198.17.255.255', '198.20.0.0']],
  ['ietf', ['2001:2:1::']],
  ['multicast', ['224.0.0.0', '239.255.255.255', 'ff00::', 'ff02::1', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff']],
  ['public', ['223.255.255.255']],
  ['reserved', ['240.0.0.0', '255.255.255.254', '192.88.99.0', '192.88.99.255']],
  ['broadcast', ['255.255.255.255']],
  ['teredo', ['2001::', '2001:0:ffff:ffff:ffff:ffff:ffff:ffff']],
  ['orchid', ['2001:10::', '2001:1f:ffff::', '2001:20::', '2001:2f:ffff::']],
  ['nat64-local', ['64:ff9b:1::', '64:ff9b:1:ffff:ffff:ffff:ffff:ffff', '64:ff9b:1::808:808']],
  ['discard', ['100::', '100::ffff:ffff:ffff:ffff', '100:0:0:1::', '100:0:0:1:ffff:ffff:ffff:ffff']],
  ['segment-routing', ['5f00::', '5f00:ffff:ffff::']],
  ['v4-compatible', ['::2', '::808:808', '::ffff:ffff']],
  [
    'reserved',
    ['::1:0:0', '::ffff:0:8.8.8.8', '64:ff9b:2::', '64:ff9a::', '100:0:0:2::', '4000::', '5eff::', '5f01::'],
  ],
  ['reserved', ['8000::', 'e000::', 'fbff:ffff::', 'fe00::', 'fe7f:ffff::']],
];

describe('the class of an address', () => {
  for (const [name, addresses] of EDGES) {
    it.each(addresses.map((text) => [text]))(`is ${name}: %s`, (text) => {
      expect(classify(read(text)).name).toBe(name);
    });
  }

  it('is tested for every class there is', () => {
    expect(new Set(EDGES.map(([name]) => name))).toEqual(new Set(CLASSES.keys()));
  });

  it('comes with a text that says what it is', () => {
    for (const [name, entry] of CLASSES) {
      expect(entry.name).toBe(name);
      expect(entry.text).toMatch(/^(?:an?|the) /);
    }
    expect(classify(read('10.0.0.1'))).toEqual(CLASSES.get('private'));
  });
});

describe('an IPv4 address inside an IPv6 one', () => {
  it.each([
    ['::ffff:127.0.0.1', '127.0.0.1', 'loopback'],
    ['::ffff:169.254.169.254', '169.254.169.254', 'metadata'],
    ['::ffff:8.8.8.8', '8.8.8.8', 'public'],
    ['64:ff9b::10.0.0.1', '10.0.0.1', 'private'],
    ['64:ff9b::a9fe:a9fe', '169.254.169.254', 'metadata'],
    ['64:ff9b::8.8.8.8', '8.8.8.8', 'public'],
    ['2002:7f00:1::', '127.0.0.1', 'loopback'],
    ['2002:a9fe:a9fe::1', '169.254.169.254', 'metadata'],
    ['2002:808:808:ffff::1', '8.8.8.8', 'public'],
  ])('decides the class: %s', (text, inner, name) => {
    expect(embeddedIpv4(read(text))?.text).toBe(inner);
    expect(classify(read(text)).name).toBe(name);
  });

  it('is not looked for elsewhere', () => {
    for (const text of ['8.8.8.8', '::8.8.8.8', '64:ff9b:1::808:808', '2001:0:808:808::', '2003::1']) {
      expect(embeddedIpv4(read(text))).toBeNull();
    }
  });

  it.each([
    ['/96', '64:ff9b:1::a9fe:a9fe'],
    ['/64', '64:ff9b:1:0:a9:fea9:fe00:0'],
    ['/56', '64:ff9b:1:a9:fe:a9fe::'],
    ['/48', '64:ff9b:1:a9fe:a9:fe00::'],
  ])('cannot hide a metadata service behind a local NAT64 prefix of %s', (_, text) => {
    expect(classify(read(text)).name).toBe('metadata');
  });
});
