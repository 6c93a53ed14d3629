import { asn1 } from 'node-forge';
import { describe, expect, test } from 'vitest';
import * as der from '../../../src/tls/der.ts';

const hex = (bytes: Buffer): string => bytes.toString('hex');

describe('DER', () => {
  test.each([
    ['0', [0], '020100'],
    ['127', [0x7f], '02017f'],
    ['128, which needs a zero before it to stay positive', [0x80], '02020080'],
    ['256', [1, 0], '02020100'],
    ['a magnitude with leading zeros', [0, 0, 5], '020105'],
    ['a magnitude of zeros', [0, 0], '020100'],
    ['no magnitude', [], '020100'],
  ])('an INTEGER is minimal and never negative: %s', (_, magnitude, expected) => {
    expect(hex(der.integer(Uint8Array.from(magnitude)))).toBe(expected);
  });

  test.each([
    [0, '0400'],
    [127, '047f'],
    [128, '048180'],
    [255, '0481ff'],
    [256, '04820100'],
    [65_536, '0483010000'],
  ])('a length of %i octets is written in the fewest', (length, head) => {
    const written = der.octetString(new Uint8Array(length));
    expect(hex(written).slice(0, head.length)).toBe(head);
    expect(written.length).toBe(head.length / 2 + length);
  });

  test.each([
    ['2.5.29.17', '0603551d11'],
    ['1.2.840.113549.1.1.11', '06092a864886f70d01010b'],
    ['2.16.840.1.113894.746875.1.1', '060c6086480186f966adca7b0101'],
  ])('an OBJECT IDENTIFIER takes base 128: %s', (dotted, expected) => {
    expect(hex(der.objectIdentifier(dotted))).toBe(expected);
    expect(asn1.derToOid(der.objectIdentifier(dotted).toString('latin1').slice(2))).toBe(dotted);
  });

  test('a date is UTCTime through 2049 and GeneralizedTime from 2050 on', () => {
    const last = der.time(Date.UTC(2049, 11, 31, 23, 59, 59, 999));
    const first = der.time(Date.UTC(2050, 0, 1));
    expect([last[0], last.toString('latin1', 2)]).toEqual([0x17, '491231235959Z']);
    expect([first[0], first.toString('latin1', 2)]).toEqual([0x18, '20500101000000Z']);
  });

  test('named bits leave out the zeros at the end', () => {
    expect(hex(der.namedBits(0))).toBe('03020780');
    expect(hex(der.namedBits(5, 6))).toBe('03020106');
    expect(hex(der.namedBits())).toBe('030100');
  });

  test('true is ff, as DER wants it', () => {
    expect(hex(der.boolean(true))).toBe('0101ff');
    expect(hex(der.boolean(false))).toBe('010100');
  });
});
