import fc from 'fast-check';
import { asn1 } from 'node-forge';
import { expect, test } from 'vitest';
import * as der from '../../src/tls/der.ts';

/** node-forge reads strictly: a length that is not minimal, or bytes too many, is an error. */
const read = (bytes: Buffer): asn1.Asn1 => asn1.fromDer(bytes.toString('latin1'));
const contents = (bytes: Buffer): Buffer => Buffer.from(String(read(bytes).value), 'latin1');

test('an INTEGER is the number that its magnitude is', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 200n }), fc.nat(3), (number, zeros) => {
      const digits = number.toString(16);
      const magnitude = Buffer.from(
        '00'.repeat(zeros) + digits.padStart(digits.length + (digits.length % 2), '0'),
        'hex',
      );
      const octets = contents(der.integer(magnitude));
      expect(BigInt(`0x${octets.toString('hex')}`)).toBe(number);
      expect(octets[0]).toBeLessThan(0x80);
    }),
  );
});

test('an OBJECT IDENTIFIER is read as the one that was written', () => {
  const arcs = fc.tuple(
    fc.integer({ min: 0, max: 2 }),
    fc.integer({ min: 0, max: 39 }),
    fc.array(fc.nat(2 ** 31 - 1), { minLength: 1, maxLength: 8 }),
  );
  fc.assert(
    fc.property(arcs, ([first, second, rest]) => {
      const dotted = [first, second, ...rest].join('.');
      expect(asn1.derToOid(contents(der.objectIdentifier(dotted)).toString('latin1'))).toBe(dotted);
    }),
  );
});

test('octets, bits and text come back whole', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70_000 }), fc.string({ unit: 'grapheme' }), (bytes, text) => {
      expect(contents(der.octetString(bytes))).toEqual(Buffer.from(bytes));
      expect(der.bitString(bytes).subarray(-bytes.length - 1)).toEqual(Buffer.from([0, ...bytes]));
      expect(contents(der.utf8String(text)).toString()).toBe(text);
    }),
    { numRuns: 30 },
  );
});

test('a sequence holds its parts in order', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 10 }), (parts) => {
      const { value } = read(der.sequence(...parts.map(der.octetString)));
      const values = Array.isArray(value) ? value.map((part) => Buffer.from(String(part.value), 'latin1')) : null;
      expect(values).toEqual(parts.map((part) => Buffer.from(part)));
    }),
  );
});

test('a set holds its parts in the order of their encodings, whatever order they came in', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 15 }), { maxLength: 6 }), (parts) => {
      const members = parts.map(der.octetString);
      const written = der.setOf(...members);
      expect(der.setOf(...members.toReversed())).toEqual(written);
      expect(written.subarray(2)).toEqual(Buffer.concat(members.toSorted(Buffer.compare)));
    }),
  );
});
