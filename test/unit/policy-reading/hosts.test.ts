import { describe, expect, it } from 'vitest';
import { covers, readHostPattern } from '../../../src/policy/reading/host-patterns.ts';
import { findingsOf } from './support.ts';

const hostFindings = (host: string): readonly string[] =>
  findingsOf(`version: 1\nrules:\n  - hosts: [${JSON.stringify(host)}]\n`);

describe('a host of a rule', () => {
  it.each([
    ['api.example.com'],
    ['localhost'],
    ['10.0.0.1'],
    ['[fd00::1]'],
    ['*.example.com'],
    ['*.a.example.co.uk'],
    ['*.internal'],
  ])('is an exact host or a wildcard: %s', (host) => {
    expect(readHostPattern(host)).toMatchObject({ ok: true, pattern: host });
  });

  it.each([
    ['*.com', '"*.com" covers a public suffix; name a registrable domain, e.g. "*.example.com"'],
    ['*.co.uk', '"*.co.uk" covers a public suffix; name a registrable domain, e.g. "*.example.com"'],
    ['*.unheard-of', '"*.unheard-of" covers a public suffix; name a registrable domain, e.g. "*.example.com"'],
    ['*', '"*" covers every host; name the hosts, or write "default: allow" for those that no rule names'],
    ['*example.com', '"*example.com" has a "*" that is not the whole first label; write e.g. "*.example.com"'],
    [
      'api.*.example.com',
      '"api.*.example.com" has a "*" that is not the whole first label; write e.g. "*.example.com"',
    ],
    ['**.example.com', '"**.example.com" has a "*" that is not the whole first label; write e.g. "*.example.com"'],
    ['*.*.example.com', '"*.*.example.com" has more than one "*"; one stands for any number of labels'],
    ['*.10.0.0.1', '"*.10.0.0.1" is a wildcard before an address; write the address, or a block in "subnets"'],
    ['.example.com', '".example.com" begins with a dot; write "*.example.com"'],
    ['Example.com', '"Example.com" has upper-case letters; write "example.com"'],
    ['*.Example.com', '"*.Example.com" has upper-case letters; write "*.example.com"'],
    ['example.com.', '"example.com." ends with a dot; write "example.com"'],
    ['exämple.com', '"exämple.com" has characters that are not ASCII; write "xn--exmple-cua.com"'],
    ['127.1', '"127.1" is read as an address by resolvers; write "127.0.0.1"'],
    ['0x7f.1', '"0x7f.1" is read as an address by resolvers; write "127.0.0.1"'],
    ['::1', '"::1" is an IPv6 address without brackets; write "[::1]"'],
    ['[0::1]', '"[0::1]" is not the canonical spelling of the address (RFC 5952); write "[::1]"'],
    ['example.com:443', '"example.com:443" has a port, which belongs in "ports"; write "example.com"'],
    [
      'https://example.com/a',
      '"https://example.com/a" is a URL; hosts are names alone, and a path belongs in "paths"; write "example.com"',
    ],
    [
      'example.com/a',
      '"example.com/a" is a URL; hosts are names alone, and a path belongs in "paths"; write "example.com"',
    ],
    ['10.0.0.0/8', '"10.0.0.0/8" is a URL; hosts are names alone, and a path belongs in "paths"; write "10.0.0.0"'],
    ['user@example.com', '"user@example.com" has user information; write the host alone'],
    ['a b.example', '"a b.example" has a character that host names do not have'],
    ['', '"" is empty'],
  ])('is refused with what to write: %s', (host, text) => {
    expect(hostFindings(host)).toEqual([`3:13  rules[0].hosts[0]  ${text}`]);
  });

  it('below a name that a company hands to its customers is a warning', () => {
    expect(hostFindings('*.github.io')).toEqual([
      '3:13  rules[0].hosts[0]  warning: "*.github.io" covers names that anyone can have; name the hosts that you mean',
    ]);
    expect(hostFindings('me.github.io')).toEqual([]);
  });

  it('that is listed twice is a warning', () => {
    expect(findingsOf('version: 1\nrules:\n  - hosts: [a.example, b.example, a.example]\n')).toEqual([
      '3:35  rules[0].hosts[2]  warning: "a.example" is in this list twice; remove one of them',
    ]);
  });
});

describe('a wildcard', () => {
  it.each([
    ['*.example.com', 'a.example.com', true],
    ['*.example.com', 'a.b.example.com', true],
    ['*.example.com', '*.example.com', true],
    ['*.example.com', '*.b.example.com', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', 'badexample.com', false],
    ['*.example.com', 'a.example.com.evil.test', false],
    ['*.b.example.com', '*.example.com', false],
    ['a.example.com', 'a.example.com', true],
    ['a.example.com', '*.example.com', false],
    ['example.com', 'a.example.com', false],
  ])('%s covers %s: %s', (outer, inner, expected) => {
    expect(covers(outer, inner)).toBe(expected);
  });
});
