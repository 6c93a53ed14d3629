import { describe, expect, it } from 'vitest';
import { isPublicName } from '../../../src/address/public-suffix.ts';
import { buildParent } from '../../../src/upstream/parent.ts';

const parent = buildParent({
  scheme: 'http',
  host: 'corp',
  port: 3128,
  username: 'me',
  noProxyHosts: ['a.example', '*.internal'],
  noProxyBlocks: ['10.0.0.0/8', '192.0.2.7', 'fd00::/8'],
});

describe('no_proxy', () => {
  it.each([
    ['a.example', true],
    ['b.a.example', false],
    ['xa.example', false],
    ['api.internal', true],
    ['a.b.internal', true],
    ['internal', false],
    ['apiinternal', false],
    ['10.1.2.3', true],
    ['11.1.2.3', false],
    ['192.0.2.7', true],
    ['192.0.2.8', false],
    ['[fd00::7]', true],
    ['[::ffff:10.1.2.3]', true],
    ['[2001:db8::1]', false],
  ])('of %s is %s', (host, isExempt) => {
    expect(parent.exempts(host)).toBe(isExempt);
  });
});

describe('a public name', () => {
  it.each([
    ['example.com', true],
    ['bucket.s3.amazonaws.com', true],
    ['a.co.uk', true],
    ['metadata.google.internal', false],
    ['printer.local', false],
    ['intranet', false],
    ['vault.corp', false],
    ['origin.test', false],
  ])('%s: %s', (host, isPublic) => {
    expect(isPublicName(host)).toBe(isPublic);
  });
});

describe('the key of a parent', () => {
  it('tells users and schemes apart', () => {
    const options = { host: 'corp', port: 3128, noProxyHosts: [], noProxyBlocks: [] } as const;
    const keys = [
      buildParent({ ...options, scheme: 'http', username: null }),
      buildParent({ ...options, scheme: 'https', username: null }),
      buildParent({ ...options, scheme: 'http', username: 'other' }),
      parent,
    ].map(({ key }) => key);
    expect(new Set(keys).size).toBe(4);
  });
});
