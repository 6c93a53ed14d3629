import { describe, expect, it } from 'vitest';
import { ruleFindings, ruleOf } from './support.ts';

const EXAMPLE = 'write e.g. "https://audit.corp.example/in"';

describe('forward', () => {
  it.each([
    ['https://audit.corp.example', 'audit.corp.example', 443, ''],
    ['https://audit.corp.example/in', 'audit.corp.example', 443, '/in'],
    ['https://audit.corp.example:8443/a/b.c', 'audit.corp.example', 8443, '/a/b.c'],
    ['https://10.20.3.4/in', '10.20.3.4', 443, '/in'],
    ['https://[fd00::4]:8443/in', '[fd00::4]', 8443, '/in'],
    ['https://audit.corp.example/a%20b', 'audit.corp.example', 443, '/a%20b'],
  ])('is a URL of https: %s', (url, host, port, path) => {
    expect(ruleOf(`forward: "${url}"`).forward).toEqual({ url, host, port, path });
  });

  it.each([
    ['http://audit.corp.example/in', `is not an https:// URL; ${EXAMPLE}`],
    ['audit.corp.example/in', `is not an https:// URL; ${EXAMPLE}`],
    ['HTTPS://audit.corp.example/in', `is not an https:// URL; ${EXAMPLE}`],
    ['https://me:pw@audit.corp.example/in', `has a user in it, which would stand in a policy file; ${EXAMPLE}`],
    ['https://audit.corp.example/in?a=b', 'has a query; remove it, the query of each request is kept'],
    ['https://audit.corp.example?', 'has a query; remove it, the query of each request is kept'],
    ['https://audit.corp.example/in#a', 'has a fragment, which no server sees; remove it'],
    ['https:///in', `is empty; ${EXAMPLE}`],
    ['https://audit.corp.example:0/in', `has a port that is not a number from 1 to 65535; ${EXAMPLE}`],
    ['https://postern.internal/in', "is the proxy's own name; name the host that receives"],
    [
      'https://audit.corp.example/',
      'ends with a slash, and each path begins with one; write "https://audit.corp.example"',
    ],
    [
      'https://audit.corp.example/in/',
      'ends with a slash, and each path begins with one; write "https://audit.corp.example/in"',
    ],
    ['https://Audit.corp.example/in', 'is not in canonical form; write "https://audit.corp.example/in"'],
    ['https://audit.corp.example:443/in', 'is not in canonical form; write "https://audit.corp.example/in"'],
    ['https://audit.corp.example./in', 'is not in canonical form; write "https://audit.corp.example/in"'],
    ['https://audit.corp.example/%69n', 'is not in canonical form; write "https://audit.corp.example/in"'],
    [
      'https://audit.corp.example/a/../in',
      `has a path that has a dot segment, which servers read in different ways; ${EXAMPLE}`,
    ],
    [
      'https://audit.corp.example//in',
      `has a path that has an empty segment, which servers read in different ways; ${EXAMPLE}`,
    ],
    [
      'https://audit.corp.example/a%2Fb',
      `has a path with an encoded slash, which servers read in different ways; ${EXAMPLE}`,
    ],
    [
      'https://audit.corp.example/a;b',
      `has a character in its path that stands escaped in one, or that servers read differently; ${EXAMPLE}`,
    ],
    [`https://audit.corp.example/${'a'.repeat(1_000)}`, 'is longer than 1024 characters'],
  ])('is refused: %s', (url, why) => {
    expect(ruleFindings(`forward: "${url}"`)).toEqual([`5:14  rules[0].forward  ${why}`]);
  });

  it('excludes what injects, tunnels that nobody looks into, and denials', () => {
    const url = 'forward: "https://audit.corp.example/in"';
    expect(ruleFindings(url, 'inject: [{ bearer: "${key}" }]')).toEqual([
      '5:5  rules[0].forward  cannot be on a rule with "inject": what it injects is for the host, and would go to another; remove one of them',
    ]);
    expect(ruleFindings(url, 'tls: passthrough')).toEqual([
      '5:5  rules[0].forward  cannot be on a rule with "tls: passthrough", which sees only the name and the port; remove it, or intercept',
    ]);
    expect(ruleFindings(url, 'action: deny')).toEqual([
      '5:5  rules[0].forward  has no meaning on a rule with "action: deny", whose requests never leave; remove it',
    ]);
  });
});
