import { describe, expect, it } from 'vitest';
import { parseCidr } from '../../../src/address/cidr.ts';
import { parseIp } from '../../../src/address/ip.ts';

const contains = (block: string, address: string): boolean => {
  const reading = parseCidr(block);
  const ip = parseIp(address);
  if (!reading.ok || ip === null) return expect.fail(`${block} ${address}`);
  return reading.cidr.contains(ip);
};

describe('a block', () => {
  it.each([
    ['10.0.0.0/8', '10.0.0.0/8', 4, 8],
    ['0.0.0.0/0', '0.0.0.0/0', 4, 0],
    ['10.1.2.3', '10.1.2.3/32', 4, 32],
    ['10.1.2.3/32', '10.1.2.3/32', 4, 32],
    ['fd00::/8', 'fd00::/8', 6, 8],
    ['::/0', '::/0', 6, 0],
    ['fd00:ec2::254', 'fd00:ec2::254/128', 6, 128],
  ])('in canonical form is taken: %s', (text, canonical, family, prefix) => {
    expect(parseCidr(text)).toMatchObject({ ok: true, cidr: { text: canonical, family, prefix } });
  });

  it.each([
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.1.2.129/25', '10.1.2.128/25'],
    ['192.168.1.1/0', '0.0.0.0/0'],
    ['FD00::/8', 'fd00::/8'],
    ['fd00:0::/8', 'fd00::/8'],
    ['fd00::1/64', 'fd00::/64'],
    ['fd00:0:0:0:8000::/65', 'fd00::8000:0:0:0/65'],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
    ['::ffff:10.1.0.0/104', '10.0.0.0/8'],
  ])('with another spelling is refused with the canonical one: %s', (text, canonical) => {
    expect(parseCidr(text)).toMatchObject({ ok: false, canonical });
    expect(parseCidr(canonical).ok).toBe(true);
  });

  it.each([
    [''],
    ['/8'],
    ['10.0.0.0/'],
    ['10.0.0.0/33'],
    ['10.0.0.0/08'],
    ['10.0.0.0/-1'],
    ['10.0.0.0/8/8'],
    ['10.0.0.0/ 8'],
    ['10.0.0.0/255.0.0.0'],
    ['10/8'],
    ['10.0.0/24'],
    ['10.0.0.0-10.0.0.255'],
    ['fd00::/129'],
    ['[fd00::]/8'],
    ['fe80::1%eth0/64'],
    ['::ffff:0:0/90'],
    ['example.com'],
  ])('that is none is refused: %j', (text) => {
    const reading = parseCidr(text);
    expect(reading.ok).toBe(false);
    expect(reading).not.toHaveProperty('canonical');
  });
});

describe('containment', () => {
  it.each([
    ['10.0.0.0/8', '10.0.0.0', true],
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '9.255.255.255', false],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.1.2.128/25', '10.1.2.127', false],
    ['10.1.2.128/25', '10.1.2.255', true],
    ['172.16.0.0/12', '172.31.255.255', true],
    ['172.16.0.0/12', '172.32.0.0', false],
    ['10.1.2.3', '10.1.2.3', true],
    ['10.1.2.3', '10.1.2.2', false],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['0.0.0.0/0', '::1', false],
    ['::/0', '::1', true],
    ['::/0', '10.0.0.1', false],
    ['fd00::8000:0:0:0/65', 'fd00::8000:0:0:1', true],
    ['fd00::8000:0:0:0/65', 'fd00::7fff:0:0:1', false],
  ])('%s and %s: %s', (block, address, expected) => {
    expect(contains(block, address)).toBe(expected);
  });

  it('takes a v4-mapped address for its IPv4 address', () => {
    expect(contains('10.0.0.0/8', '::ffff:10.1.2.3')).toBe(true);
    expect(contains('::/0', '::ffff:10.1.2.3')).toBe(false);
  });
});
