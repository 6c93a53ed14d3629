import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAuthority } from '../../src/address/authority.ts';
import { parseCidr } from '../../src/address/cidr.ts';
import { CLASSES, classify } from '../../src/address/classes.ts';
import { canonicalHost, hostFromRequest } from '../../src/address/hostname.ts';
import { ipOf, parseIp } from '../../src/address/ip.ts';

const bytes = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }));
/** Addresses with runs of zeros, which RFC 5952 is about. */
const sparse = fc
  .array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 })
  .map((list) => Uint8Array.from(list));
const label = fc.stringMatching(/^[a-z_]([a-z0-9_-]{0,20}[a-z0-9_])?$/);
const name = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.'));
const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: fc.constantFrom(...'aA0xX.-_:[]%@*/ \u00ad\u3002\u212a1f'), maxLength: 20 }),
);

describe('an address', () => {
  it('is written and read back to the same bytes, as Node itself reads it', () => {
    fc.assert(
      fc.property(fc.oneof(bytes, sparse), (each) => {
        const { text, family } = ipOf(each);
        expect(parseIp(text)?.bytes).toEqual(each);
        expect(isIP(text)).toBe(family);
      }),
    );
  });

  it('is never read from a text that Node does not take for one', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        if (parseIp(text) !== null) expect(isIP(text)).not.toBe(0);
      }),
    );
  });

  it('always has a class, and is always in its own block', () => {
    fc.assert(
      fc.property(fc.oneof(bytes, sparse), fc.nat(128), (each, length) => {
        const ip = ipOf(each);
        expect(CLASSES.get(classify(ip).name)).toEqual(classify(ip));
        const prefix = Math.min(length, each.length * 8);
        const reading = parseCidr(`${ip.text}/${prefix}`);
        const block = reading.ok ? reading : parseCidr(reading.canonical ?? '');
        if (block.ok) expect(block.cidr.contains(ip)).toBe(true);
        else expect(ip.text).toMatch(/^::ffff:/);
      }),
    );
  });
});

describe('a host', () => {
  it('in canonical form is its own reading, and so is what a request folds to', () => {
    fc.assert(
      fc.property(name, (text) => {
        expect(canonicalHost(text)).toEqual({ ok: true, host: text, kind: 'name' });
        for (const variant of [text, text.toUpperCase(), `${text}.`]) {
          expect(hostFromRequest(variant)).toEqual({ ok: true, host: text, kind: 'name' });
        }
      }),
    );
  });

  it('is never taken in a spelling that a URL parser would read as another host', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const reading = hostFromRequest(text);
        if (!reading.ok) return;
        expect(canonicalHost(reading.host)).toEqual(reading);
        if (reading.kind === 'name' && !reading.host.includes('xn--'))
          expect(domainToASCII(text.replace(/\.$/, ''))).toBe(reading.host);
      }),
    );
  });

  it('that is refused with a spelling is taken in that spelling', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const reading = canonicalHost(text);
        if (!reading.ok && reading.canonical !== undefined) expect(canonicalHost(reading.canonical).ok).toBe(true);
      }),
    );
  });

  it('comes out of an authority as it went in', () => {
    fc.assert(
      fc.property(name, fc.integer({ min: 1, max: 65_535 }), (host, port) => {
        expect(parseAuthority(`${host}:${port}`, null)).toEqual({ ok: true, host, port, kind: 'name' });
      }),
    );
  });
});
