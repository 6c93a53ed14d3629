import { describe, expect, it } from 'vitest';
import { formatIp, ipOf, parseIp, unmapped } from '../../../src/address/ip.ts';

describe('an address', () => {
  it.each([
    ['0.0.0.0', '0.0.0.0'],
    ['10.20.30.255', '10.20.30.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8::0001', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['0:0:1:0:0:0:0:0', '0:0:1::'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['::ffff:0a00:0001', '::ffff:10.0.0.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
  ])('is read and written in RFC 5952 form: %s', (text, canonical) => {
    expect(parseIp(text)?.text).toBe(canonical);
  });

  it.each([
    [''],
    [' '],
    ['1.2.3'],
    ['1.2.3.4.5'],
    ['1.2.3.256'],
    ['1.2.3.04'],
    ['01.2.3.4'],
    ['0x1.2.3.4'],
    ['1.2.3.4 '],
    ['1.2.3.-4'],
    ['1.2.3.4e0'],
    ['1.2..4'],
    [':'],
    [':::'],
    ['1:2:3:4:5:6:7'],
    ['1:2:3:4:5:6:7:8:9'],
    ['1:2:3:4::5:6:7:8'],
    ['1::2::3'],
    [':1:2:3:4:5:6:7'],
    ['1:2:3:4:5:6:7:'],
    ['12345::'],
    ['g::'],
    ['::1.2.3.4:5'],
    ['1.2.3.4::'],
    ['::1.2.3'],
    ['::01.2.3.4'],
    ['1:2:3:4:5:6:7:1.2.3.4'],
    ['[::1]'],
    ['fe80::1%eth0'],
    ['::1/128'],
    ['0'.repeat(46)],
  ])('is refused: %j', (text) => {
    expect(parseIp(text)).toBeNull();
  });

  it('is made of 4 or 16 bytes and nothing else', () => {
    expect(ipOf(Uint8Array.of(1, 2, 3, 4)).text).toBe('1.2.3.4');
    expect(formatIp(new Uint8Array(16))).toBe('::');
    expect(() => ipOf(new Uint8Array(5))).toThrow(RangeError);
  });

  it('that is v4-mapped is its IPv4 address', () => {
    const read = (text: string) => parseIp(text) ?? expect.fail(text);
    expect(unmapped(read('::ffff:10.0.0.1'))).toEqual(read('10.0.0.1'));
    expect(unmapped(read('10.0.0.1')).text).toBe('10.0.0.1');
    expect(unmapped(read('::fffe:a00:1')).text).toBe('::fffe:a00:1');
  });
});
