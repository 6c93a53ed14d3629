import { describe, expect, it } from 'vitest';
import { findingsOf, policyOf } from './support.ts';

const sandbox = (name: string, match: string): string => `version: 1\nsandbox:\n  name: ${name}\n  match: ${match}\n`;

describe('a sandbox', () => {
  it.each([['a'], ['vm-42'], ['0'], ['a'.repeat(63)]])('has a plain name: %s', (name) => {
    expect(policyOf(sandbox(JSON.stringify(name), '[ { any: true } ]')).sandbox?.name).toBe(name);
  });

  it.each([[''], ['-a'], ['A'], ['a_b'], ['a.b'], ['a b'], ['../a'], ['ü'], ['a'.repeat(64)]])(
    'is refused with the name %j',
    (name) => {
      expect(findingsOf(sandbox(JSON.stringify(name), '[ { any: true } ]'))).toEqual([
        expect.stringContaining('3:9  sandbox.name  '),
      ]);
    },
  );

  it('may be recognised in several ways', () => {
    const match =
      '[ { source: 10.0.0.0/8, listener: "127.0.0.1:8080" }, { source: 10.1.2.3 }, { token: { env: T } }, { any: true } ]';
    expect(policyOf(sandbox('a', match)).sandbox?.match).toMatchObject([
      { source: '10.0.0.0/8', listener: '127.0.0.1:8080', token: null, any: false },
      { source: '10.1.2.3/32' },
      { token: { kind: 'env', variable: 'T' } },
      { source: null, listener: null, token: null, any: true },
    ]);
  });

  it.each([
    ['[]', '4:10  sandbox.match  is empty; it must be a list, e.g. [ { source: 10.0.3.2/32 } ]'],
    ['[ {} ]', '4:12  sandbox.match[0]  matches nobody; write at least one of source, listener, token, any'],
    ['[ { any: false } ]', '4:19  sandbox.match[0].any  can only be true; remove it'],
    [
      '[ { any: true, source: 10.0.0.1 } ]',
      '4:14  sandbox.match[0].any  stands beside other keys, which all must hold; write it as an entry of its own',
    ],
    [
      '[ { source: 10.0.0.1/8 } ]',
      '4:22  sandbox.match[0].source  "10.0.0.1/8" has bits set after the prefix; write "10.0.0.0/8"',
    ],
    [
      '[ { source: vm.example } ]',
      '4:22  sandbox.match[0].source  "vm.example" is not an address block; write e.g. "10.0.0.0/8" or "fd00::/8"',
    ],
    [
      '[ { source: "fe80::1%eth0" } ]',
      '4:22  sandbox.match[0].source  "fe80::1%eth0" has a zone; write the address without it',
    ],
    [
      '[ { source: "::ffff:10.0.0.1" } ]',
      '4:22  sandbox.match[0].source  "::ffff:10.0.0.1" names IPv4 addresses in IPv6 form; write "10.0.0.1/32"',
    ],
    ['[ { listener: 8080 } ]', '4:24  sandbox.match[0].listener  must be a text; put it in quotes: "8080"'],
    ['[ { listener: ":8080" } ]', '4:24  sandbox.match[0].listener  ":8080" names no interface; write "0.0.0.0:8080"'],
    [
      '[ { listener: "unix:run/a.sock" } ]',
      '4:24  sandbox.match[0].listener  "unix:run/a.sock" is not an absolute path; write "unix:/run/postern.sock"',
    ],
    [
      '[ { listener: "unix:/run//a/../b.sock" } ]',
      '4:24  sandbox.match[0].listener  "unix:/run//a/../b.sock" is not the shortest spelling of its path; write "unix:/run/b.sock"',
    ],
    [
      `[ { listener: "unix:/${'a'.repeat(107)}" } ]`,
      expect.stringMatching(
        /^4:24 {2}sandbox\.match\[0\]\.listener {2}"unix:\/a+…" is longer than the 107 bytes that a socket path may have$/,
      ),
    ],
    [
      '[ { source: 10.0.0.1/32, listener: "unix:/run/a.sock" } ]',
      '4:14  sandbox.match[0].source  stands beside a unix: listener, whose clients have no address; remove one of them',
    ],
    ['[ { token: {} } ]', '4:21  sandbox.match[0].token  has no source; write { env: VARIABLE } or { file: PATH }'],
    ['[ { tokn: {} } ]', '4:14  sandbox.match[0].tokn  is not a known key; did you mean "token"?'],
    ['{ any: true }', '4:10  sandbox.match  must be a list, e.g. [ { source: 10.0.3.2/32 } ]'],
  ])('is refused with what to write: %s', (match, finding) => {
    expect(findingsOf(sandbox('a', match))).toEqual([finding]);
  });

  it('may be told by a socket', () => {
    const { sandbox: read } = policyOf(sandbox('a', '[ { listener: "unix:/run/vm/v.sock_8080" } ]'));
    expect(read?.match).toMatchObject([{ listener: 'unix:/run/vm/v.sock_8080', source: null, token: null }]);
  });

  it('needs both its name and its match', () => {
    expect(findingsOf('version: 1\nsandbox: {}\n')).toEqual([
      '2:10  sandbox.name  is missing; it must be a text',
      '2:10  sandbox.match  is missing; it must be a list, e.g. [ { source: 10.0.3.2/32 } ]',
    ]);
  });
});

describe('subnets', () => {
  it.each([
    ['{ allow: [ 10.0.0.0/8 ] }', '2:21  subnets.allow[0]  must be a map of keys'],
    ['{ allow: [ { ports: [80] } ] }', '2:21  subnets.allow[0].cidr  is missing; it must be a text'],
    [
      '{ allow: [ { cidr: 10.0.0.1/8 } ] }',
      '2:29  subnets.allow[0].cidr  "10.0.0.1/8" has bits set after the prefix; write "10.0.0.0/8"',
    ],
    [
      '{ allow: [ { cidr: 10.0.0.0/8, ports: [0] } ] }',
      '2:49  subnets.allow[0].ports[0]  0 is not a port; write a number from 1 to 65535',
    ],
    [
      '{ allow: [ { cidr: 10.0.0.0/8, ports: [] } ] }',
      '2:48  subnets.allow[0].ports  is empty; it must be a list of numbers, e.g. [5432]',
    ],
    [
      '{ deny: [ 10/8 ] }',
      '2:20  subnets.deny[0]  "10/8" is not an address block; write e.g. "10.0.0.0/8" or "fd00::/8"',
    ],
    ['{ deny: [ { cidr: 10.0.0.0/8 } ] }', '2:20  subnets.deny[0]  must be a text'],
    [
      '{ deny: [ 10.0.0.0/33 ] }',
      '2:20  subnets.deny[0]  "10.0.0.0/33" has no valid prefix length; write a number from 0 to 32 after the slash',
    ],
    ['{ denny: [ 10.0.0.0/8 ] }', '2:12  subnets.denny  is not a known key; did you mean "deny"?'],
  ])('are refused with what to write: %s', (subnets, finding) => {
    expect(findingsOf(`version: 1\nsubnets: ${subnets}\n`)).toEqual([finding]);
  });
});
