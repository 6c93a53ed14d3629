import { describe, expect, it } from 'vitest';
import { findingsOf, ruleFindings, ruleOf } from './support.ts';

describe('the name of a rule', () => {
  it.each([['github-read'], ['GitHub read'], ['a/b.c_d'], ['0']])('is short and plain: %s', (name) => {
    expect(ruleOf(`name: "${name}"`).name).toBe(name);
  });

  it.each([[''], [' a'], ['-a'], ['a:1'], ['a"b'], ['a\\nb'], ['ü'], ['x'.repeat(65)]])('is refused: %j', (name) => {
    expect(ruleFindings(`name: "${name.replace('"', '\\"')}"`)).toEqual([
      expect.stringContaining('5:11  rules[0].name  '),
    ]);
  });

  it('is unique in a file', () => {
    const text = 'version: 1\nrules:\n  - { name: a, hosts: [a.example] }\n  - { name: a, hosts: [b.example] }\n';
    expect(findingsOf(text)).toEqual([
      '4:13  rules[1].name  "a" is the name of rules[0] too; names are unique in a file',
    ]);
  });
});

describe('conditions', () => {
  it.each([
    ['schemes: [ftp]', '5:15  rules[0].schemes[0]  must be http or https'],
    ['schemes: https', '5:14  rules[0].schemes  must be a list, e.g. [https]'],
    ['schemes: []', '5:14  rules[0].schemes  is empty; it must be a list, e.g. [https]'],
    ['ports: [0]', '5:13  rules[0].ports[0]  0 is not a port; write a number from 1 to 65535'],
    ['ports: [65536]', '5:13  rules[0].ports[0]  65536 is not a port; write a number from 1 to 65535'],
    ['ports: [-1]', '5:13  rules[0].ports[0]  -1 is not a port; write a number from 1 to 65535'],
    ['ports: ["443"]', '5:13  rules[0].ports[0]  must be a whole number'],
    ['ports: [1.5]', '5:13  rules[0].ports[0]  must be a whole number'],
    ['ports: 443', '5:12  rules[0].ports  must be a list of numbers, e.g. [443]'],
    [
      'methods: [get]',
      '5:15  rules[0].methods[0]  "get" is not in upper case, and methods are case-sensitive; write "GET"',
    ],
    [
      'methods: [Post]',
      '5:15  rules[0].methods[0]  "Post" is not in upper case, and methods are case-sensitive; write "POST"',
    ],
    ['methods: [GTE]', '5:15  rules[0].methods[0]  "GTE" is not a known method; did you mean "GET"?'],
    ['methods: [FROBNICATE]', '5:15  rules[0].methods[0]  "FROBNICATE" is not a method that HTTP servers know'],
    ['methods: [TRACE]', '5:15  rules[0].methods[0]  "TRACE" is always refused; remove it'],
    ['methods: [connect]', '5:15  rules[0].methods[0]  "connect" is always refused; remove it'],
    ['methods: ["*"]', '5:15  rules[0].methods[0]  "*" is no method; leave "methods" out for any of them'],
    ['methods: [true]', '5:15  rules[0].methods[0]  must be a text; put it in quotes: "true"'],
    ['methods: []', '5:14  rules[0].methods  is empty; it must be a list, e.g. [GET, HEAD]'],
    ['query: [ref]', '5:12  rules[0].query  must be a map of names and values'],
    ['query: { ref: 1 }', '5:19  rules[0].query.ref  must be a text (in quotes) or { glob: "v*" }'],
    ['query: { ref: { regex: a } }', '5:19  rules[0].query.ref  must be a text (in quotes) or { glob: "v*" }'],
    ['query: { ref: { glob: a, x: b } }', '5:30  rules[0].query.ref.x  is not a known key; known here: glob'],
    [
      'query: { ref: "a\\nb" }',
      '5:19  rules[0].query.ref  has control characters, which no value that is let through has',
    ],
    [
      'headers: { Host: x }',
      '5:16  rules[0].headers.Host  "Host" is the host that was asked for, which "hosts" is about, so no condition can ask for it',
    ],
    [
      'headers: { Connection: x }',
      '5:16  rules[0].headers.Connection  "Connection" belongs to the connection or to the framing of a message, and is always ours, so no condition can ask for it',
    ],
    [
      'headers: { Accept: x, accept: y }',
      '5:27  rules[0].headers.accept  "accept" is asked for twice; field names have no case',
    ],
    [
      'headers: { "a b": x }',
      '5:16  rules[0].headers["a b"]  "a b" is not a field name, so no condition can ask for it',
    ],
    ['websocket: no', '5:16  rules[0].websocket  must be true or false'],
    ['action: block', '5:13  rules[0].action  must be allow or deny'],
    ['tls: terminate', '5:10  rules[0].tls  must be intercept or passthrough'],
    ['idle: 30', '5:11  rules[0].idle  must be a duration with its unit, e.g. 30s or 10m'],
    [
      'idle: 30 s',
      '5:11  rules[0].idle  "30 s" is not a duration; write a whole number and a unit (ms, s, m, h, d), e.g. 30s',
    ],
    ['response_head: 0s', '5:20  rules[0].response_head  "0s" is no time at all; write at least 1ms'],
    ['response_head: 30d', '5:20  rules[0].response_head  "30d" is longer than the 24 days that a timer can run'],
    ['method: [GET]', '5:5  rules[0].method  is not a known key; did you mean "methods"?'],
    ['body: x', expect.stringContaining('5:5  rules[0].body  is not a known key; known here: name, hosts, schemes')],
  ])('are refused with what to write: %s', (key, finding) => {
    expect(ruleFindings(key)).toEqual([finding]);
  });

  it('are compared letter by letter, which a star in them makes doubtful', () => {
    expect(ruleFindings('query: { ref: "v*" }')).toEqual([
      '5:19  rules[0].query.ref  warning: "v*" is compared letter by letter; for a wildcard write { glob: "v*" }',
    ]);
  });

  it('that are listed twice are warnings', () => {
    expect(ruleFindings('ports: [443, 443]', 'methods: [GET, GET]', 'paths: [/a, /a]')).toEqual([
      '5:18  rules[0].ports[1]  warning: 443 is in this list twice; remove one of them',
      '6:20  rules[0].methods[1]  warning: "GET" is in this list twice; remove one of them',
      '7:17  rules[0].paths[1]  warning: "/a" is in this list twice; remove one of them',
    ]);
  });
});

describe('a path pattern', () => {
  it.each([
    ['/'],
    ['/a'],
    ['/a/'],
    ['/a/*'],
    ['/a/**'],
    ['/**'],
    ['/a/**/b'],
    ['/*.json'],
    ['/a*b*c'],
    ['/@scope/x'],
    ['/a%20b'],
    ["/~user/$&'+,=:@-._"],
  ])('is taken: %s', (pattern) => {
    expect(ruleOf(`paths: [${JSON.stringify(pattern)}]`).paths).toEqual([pattern]);
  });

  it.each([
    ['a', 'does not begin with "/"; write e.g. "/v1/**"'],
    ['**', 'does not begin with "/"; write e.g. "/v1/**"'],
    ['https://a.example/x', 'does not begin with "/"; write e.g. "/v1/**"'],
    ['', 'does not begin with "/"; write e.g. "/v1/**"'],
    ['/a?b=c', 'has a "?"; a query is asked for with "query", and one character cannot be left open'],
    ['/a\\b', 'has a "\\"; only "*" (within a segment) and "**" (whole segments) are wildcards'],
    ['/(a|b)', 'has a "("; only "*" (within a segment) and "**" (whole segments) are wildcards'],
    ['/a|b', 'has a "|"; only "*" (within a segment) and "**" (whole segments) are wildcards'],
    ['/[ab]', 'has a "["; only "*" (within a segment) and "**" (whole segments) are wildcards'],
    ['/{a,b}', 'has a "{"; only "*" (within a segment) and "**" (whole segments) are wildcards'],
    ['/!a', 'has a "!"; only "*" (within a segment) and "**" (whole segments) are wildcards'],
    ['/a;v=1', 'has a ";", which servers read in different ways: such a path is always refused'],
    ['/a#b', 'has a "#", which no request path has'],
    ['/a/**b', 'has a "**" that is not a whole segment; write "*" for a part of one'],
    ['/a/***', 'has a "**" that is not a whole segment; write "*" for a part of one'],
    ['/a/../b', 'has a dot segment: such a path is always refused, so the pattern could never match'],
    ['/a/./b', 'has a dot segment: such a path is always refused, so the pattern could never match'],
    ['/a//b', 'has an empty segment: such a path is always refused, so the pattern could never match'],
    ['/%41', 'is not in canonical form; write "/A"'],
    ['/a%e2%82%ac', 'is not in canonical form; write "/a%E2%82%AC"'],
    ['/ü b', 'has characters that stand escaped in a path; write "/%C3%BC%20b"'],
    ['/a%2Fb', 'has a %2F; that needs "encoded_slash: true" on the rule'],
    ['/a%zz', expect.stringContaining('such a path is always refused')],
    ['/a%252Fb', expect.stringContaining('such a path is always refused')],
    ['/a%00', expect.stringContaining('such a path is always refused')],
    ['/a%5Cb', expect.stringContaining('such a path is always refused')],
    ['/%2e%2e/b', expect.stringContaining('such a path is always refused')],
    ['/%C0%AF', expect.stringContaining('such a path is always refused')],
    [`/${'a'.repeat(2_048)}`, 'is longer than 2048 characters'],
  ])('is refused with what to write: %s', (pattern, why) => {
    const [finding, second] = ruleFindings(`paths: [${JSON.stringify(pattern)}]`);
    expect(second).toBeUndefined();
    expect(finding).toMatch(/^5:13 {2}rules\[0\]\.paths\[0\] {2}"/);
    expect(finding?.replace(/^.*?" (?=is|has|does)/, '')).toEqual(why);
  });

  it('with %2F is taken where such paths can match: on request, and on deny rules', () => {
    expect(ruleOf('paths: ["/a%2Fb"]', 'encoded_slash: true').paths).toEqual(['/a%2Fb']);
    expect(ruleOf('paths: ["/a%2Fb"]', 'action: deny').paths).toEqual(['/a%2Fb']);
  });
});

describe('keys that exclude each other', () => {
  it('on a passthrough rule, which sees only name and port, are refused', () => {
    const found = ruleFindings(
      'tls: passthrough',
      'methods: [GET]',
      'paths: [/a]',
      'inject: [ { bearer: "${key}" } ]',
      'websocket: true',
      'idle: 1m',
    );
    expect(found.map((line) => line.split('  ')[1])).toEqual([
      'rules[0].methods',
      'rules[0].paths',
      'rules[0].inject',
      'rules[0].websocket',
      'rules[0].idle',
    ]);
    expect(found[0]).toBe(
      '6:5  rules[0].methods  cannot be on a rule with "tls: passthrough", which sees only the name and the port; remove it, or intercept',
    );
    expect(ruleOf('tls: passthrough', 'name: x', 'ports: [8443]', 'action: deny')).toMatchObject({
      tls: 'passthrough',
      ports: [8443],
    });
  });

  it('on a deny rule, whose requests never leave, are refused', () => {
    const found = ruleFindings('action: deny', 'inject: [ { bearer: "${key}" } ]', 'strip: [a]', 'via: true');
    expect(found).toEqual([
      '6:5  rules[0].inject  has no meaning on a rule with "action: deny", whose requests never leave; remove it',
      '7:5  rules[0].strip  has no meaning on a rule with "action: deny", whose requests never leave; remove it',
      '8:5  rules[0].via  has no meaning on a rule with "action: deny", whose requests never leave; remove it',
    ]);
    expect(ruleOf('action: deny', 'methods: [GET]', 'paths: [/a]', 'query: { a: b }', 'headers: { a: b }').action).toBe(
      'deny',
    );
  });
});

describe('strip and keep', () => {
  it('take field names in any case', () => {
    expect(ruleOf('strip: [X-Debug, x_trace]')).toMatchObject({ strip: ['x-debug', 'x_trace'] });
  });

  it.each([
    ['strip: [Host]', '5:13  rules[0].strip[0]  "Host" is the host that was asked for, which "hosts" is about'],
    ['strip: ["x y"]', '5:13  rules[0].strip[0]  "x y" is not a field name'],
    [
      'strip: [":path"]',
      '5:13  rules[0].strip[0]  ":path" is a pseudo-field of HTTP/2; rules have "methods", "hosts" and "paths" for those',
    ],
    [
      'keep: [Proxy-Authorization]',
      expect.stringContaining('"Proxy-Authorization" is between the client and the proxy, and never leaves'),
    ],
    [
      'strip: [transfer_encoding]',
      expect.stringContaining('"transfer_encoding" belongs to the connection or to the framing of a message'),
    ],
  ])('refuse what is not theirs: %s', (key, finding) => {
    expect(ruleFindings(key, 'inject: [ { bearer: "${key}" } ]')).toEqual([finding]);
  });

  it('do not contradict each other or the injection, however the name is spelled', () => {
    expect(ruleFindings('strip: [x-api-key]', 'keep: [X_Api_Key]', 'inject: [ { bearer: "${key}" } ]')).toEqual([
      '6:12  rules[0].keep[0]  "X_Api_Key" is in "strip" too; remove it from one of them',
    ]);
    expect(ruleFindings('keep: [cookie, Authorization]', 'inject: [ { bearer: "${key}" } ]')).toEqual([
      '5:20  rules[0].keep[1]  "Authorization" is what this rule injects, and the client\'s own always goes; remove it',
    ]);
    expect(ruleFindings('keep: [cookie]')).toEqual([
      '5:11  rules[0].keep  warning: has no effect: a rule that injects nothing lets credentials of the client pass',
    ]);
  });
});
