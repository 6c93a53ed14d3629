import { describe, expect, it } from 'vitest';
import { findingsOf, injectFindings, injectionOf, ruleFindings } from './support.ts';

const NO_SECRET = 'has no secret in it; define one under "secrets" and name it here as "${name}"';

describe('an injection', () => {
  it.each([
    ['bearer: "${key}"', { kind: 'bearer', value: [{ secret: 'key' }] }],
    ['bearer: ${key}', { kind: 'bearer', value: [{ secret: 'key' }] }],
    ['basic: { username: "${key}", password: "" }', { kind: 'basic', username: [{ secret: 'key' }], password: [] }],
    [
      'header: { name: X-Api-Key, value: "k=${key}" }',
      { kind: 'header', name: 'X-Api-Key', value: ['k=', { secret: 'key' }] },
    ],
    ['query: { name: "a b", value: "ü${key}" }', { kind: 'query', name: 'a b', value: ['ü', { secret: 'key' }] }],
    ['cookie: { name: sid, value: "${key}" }', { kind: 'cookie', name: 'sid', value: [{ secret: 'key' }] }],
  ])('is read: %s', (entry, injection) => {
    expect(injectionOf(entry)).toEqual(injection);
  });

  it.each([
    ['{}', '6:9  rules[0].inject[0]  injects nothing; write one of bearer, basic, header, query, cookie, placeholder'],
    [
      '{ bearer: "${key}", cookie: { name: a, value: "${key}" } }',
      '6:29  rules[0].inject[0].cookie  stands beside "bearer"; an entry has one kind, so begin another with "- cookie:"',
    ],
    ['bearer: plain', `6:17  rules[0].inject[0].bearer  ${NO_SECRET}`],
    ['bearer: ""', `6:17  rules[0].inject[0].bearer  ${NO_SECRET}`],
    ['bearer: "$${key}"', `6:17  rules[0].inject[0].bearer  ${NO_SECRET}`],
    ['basic: { username: a, password: b }', `6:41  rules[0].inject[0].basic.password  ${NO_SECRET}`],
    [
      'basic: { username: "a:b", password: "${key}" }',
      '6:28  rules[0].inject[0].basic.username  has a colon, which ends a user name',
    ],
    ['basic: { username: a }', '6:16  rules[0].inject[0].basic.password  is missing; it must be a text'],
    [
      'header: { name: Host, value: "${key}" }',
      expect.stringContaining('6:25  rules[0].inject[0].header.name  "Host" is the host'),
    ],
    [
      'header: { name: content-length, value: "${key}" }',
      expect.stringContaining('"content-length" belongs to the connection'),
    ],
    [
      'header: { name: Transfer_Encoding, value: "${key}" }',
      expect.stringContaining('"Transfer_Encoding" belongs to the connection'),
    ],
    ['header: { name: Expect, value: "${key}" }', expect.stringContaining('"Expect" belongs to the connection')],
    [
      'header: { name: proxy-authorization, value: "${key}" }',
      expect.stringContaining('is between the client and the proxy'),
    ],
    ['header: { name: ":path", value: "${key}" }', expect.stringContaining('is a pseudo-field of HTTP/2')],
    ['header: { name: "a\\r\\nb", value: "${key}" }', expect.stringContaining('"a\\r\\nb" is not a field name')],
    [
      'header: { name: a, value: "x\\r\\ny: ${key}" }',
      expect.stringContaining('has characters that a field value cannot have'),
    ],
    [
      'query: { name: "", value: "${key}" }',
      '6:24  rules[0].inject[0].query.name  is empty; write the name of a parameter',
    ],
    ['cookie: { name: "a b", value: "${key}" }', '6:25  rules[0].inject[0].cookie.name  "a b" is not a cookie name'],
    [
      'cookie: { name: a, value: "${key}; x=y" }',
      '6:35  rules[0].inject[0].cookie.value  has characters that a cookie cannot have',
    ],
    [
      'bearer: "$key"',
      '6:17  rules[0].inject[0].bearer  has a "$" that is neither "${name}" nor "$$"; write "$$" for a dollar',
    ],
    [
      'sigv4: {}',
      expect.stringContaining('6:9  rules[0].inject[0].sigv4  is a kind of injection that comes in a later release'),
    ],
    ['bearr: "${key}"', '6:9  rules[0].inject[0].bearr  is not a known key; did you mean "bearer"?'],
  ])('is refused with what to write: %s', (entry, finding) => {
    expect(injectFindings(entry)).toEqual([finding]);
  });

  it('in braces without quotes is explained', () => {
    expect(injectFindings('header: { name: a, value: ${key} }')[0]).toBe(
      '6:36  is not YAML; inside braces or brackets a value with ${…} needs quotes: "${name}"',
    );
  });

  it.each([
    ['bearer: "${key}"', 'basic: { username: a, password: "${key}" }', 'basic', 'the field "authorization"'],
    ['bearer: "${key}"', 'header: { name: AUTHORIZATION, value: "${key}" }', 'header', 'the field "authorization"'],
    [
      'header: { name: x-api-key, value: "${key}" }',
      'header: { name: X_Api_Key, value: "${key}" }',
      'header',
      'the field "x_api_key"',
    ],
    ['query: { name: k, value: "${key}" }', 'query: { name: k, value: "${key}" }', 'query', 'the parameter "k"'],
    ['cookie: { name: k, value: "${key}" }', 'cookie: { name: k, value: "${key}" }', 'cookie', 'the cookie "k"'],
    [
      'cookie: { name: k, value: "${key}" }',
      'header: { name: Cookie, value: "${key}" }',
      'header',
      'the field "cookie"',
    ],
  ])('fills a place once: %s, then %s', (first, second, kind, shown) => {
    expect(ruleFindings('inject:', `  - ${first}`, `  - ${second}`)).toEqual([
      `7:9  rules[0].inject[1].${kind}  puts a second value into ${shown}, which inject[0] fills; keep one of them`,
    ]);
  });

  it('fills different places of one kind', () => {
    expect(
      ruleFindings('inject:', '  - cookie: { name: a, value: "${key}" }', '  - cookie: { name: A, value: "${key}" }'),
    ).toEqual([]);
  });

  it('over http is a warning', () => {
    expect(ruleFindings('schemes: [https, http]', 'inject: [ { bearer: "${key}" } ]')).toEqual([
      '5:22  rules[0].schemes[1]  warning: sends a credential in clear text; leave "http" out unless the network is yours',
    ]);
    expect(ruleFindings('schemes: [https, http]')).toEqual([]);
  });

  it('to names that anyone can have is a warning that says so', () => {
    const text =
      'version: 1\nsecrets: { key: { env: KEY } }\nrules: [ { hosts: ["*.github.io"], inject: [ { bearer: "${key}" } ] } ]\n';
    expect(findingsOf(text)).toEqual([
      '3:20  rules[0].hosts[0]  warning: "*.github.io" covers names that anyone can have, and each of them would be sent the credential; name the hosts that you mean',
    ]);
  });
});

describe('a placeholder', () => {
  const placeholder = (more: string) => `placeholder: { token: PSTRN-KEY-0001, value: "\${key}", ${more} }`;

  it.each([
    ['"header:X-Key"', { kind: 'header', name: 'x-key' }],
    ['header', { kind: 'header', name: null }],
    ['"query:Key"', { kind: 'query', name: 'Key' }],
    ['"query:a:b"', { kind: 'query', name: 'a:b' }],
    ['query', { kind: 'query', name: null }],
    ['path', { kind: 'path' }],
    ['body', { kind: 'body', name: null }],
    ['"body:Key"', { kind: 'body', name: 'Key' }],
  ])('is swapped in a place: %s', (text, surface) => {
    expect(injectionOf(placeholder(`in: [${text}]`))).toMatchObject({ in: [surface], misplaced: 'deny' });
  });

  it.each([
    ['in: ["body:"]', '"body:" has no name after the colon'],
    ['in: ["path:x"]', '"path:x" names a part of the path; write "path"'],
    [
      'in: ["cookie:x"]',
      '"cookie:x" is not a place; write header, header:NAME, query, query:NAME, path, body or body:NAME',
    ],
    ['in: [Header]', '"Header" is not a place; write header, header:NAME, query, query:NAME, path, body or body:NAME'],
    ['in: ["header:"]', '"header:" has no name after the colon'],
    ['in: ["header:host"]', '"header:host" is the host that was asked for'],
    ['in: ["header:a b"]', '"header:a b" is not a field name'],
    ['in: []', 'is empty; it must be a list of places'],
    ['in: path', 'must be a list of places'],
    ['in: [path], misplaced: allow', 'must be deny, pass or quarantine'],
  ])('is refused: %s', (more, text) => {
    const findings = ruleFindings('methods: [GET]', 'inject:', `  - ${placeholder(more)}`);
    expect(findings).toEqual([expect.stringContaining(text)]);
  });

  it.each([['x'.repeat(12)], ['x'.repeat(128)], ['PSTRN_key-01']])('has a token that nothing escapes: %s', (token) => {
    expect(injectionOf(`placeholder: { token: ${token}, value: "\${key}", in: [path] }`)).toMatchObject({ token });
  });

  it.each([
    ['x'.repeat(11)],
    ['x'.repeat(129)],
    ['PSTRN.KEY.0001'],
    ['PSTRN KEY 0001'],
    ['PSTRN/KEY/0001'],
    ['PSTRN-KËY-0001'],
    [''],
  ])('is refused with the token %j', (token) => {
    const findings = ruleFindings(
      'methods: [GET]',
      'inject:',
      `  - placeholder: { token: "${token}", value: "\${key}", in: [path] }`,
    );
    expect(findings).toEqual([
      '7:31  rules[0].inject[0].placeholder.token  is not a placeholder; write 12 to 128 characters of A-Z a-z 0-9 _ -',
    ]);
  });

  it('anywhere in a request that may write is a warning', () => {
    const text = 'lets the client choose where the host stores the secret';
    expect(injectFindings(placeholder('in: [header, "header:x-key", query, "query:k", path]'))).toEqual([
      `6:69  rules[0].inject[0].placeholder.in[0]  warning: ${text}; write "header:NAME", or allow only GET and HEAD`,
      `6:93  rules[0].inject[0].placeholder.in[2]  warning: ${text}; write "query:NAME", or allow only GET and HEAD`,
      `6:111  rules[0].inject[0].placeholder.in[4]  warning: ${text}; allow only GET and HEAD`,
    ]);
    expect(ruleFindings('methods: [GET, POST]', 'inject:', `  - ${placeholder('in: [path]')}`).length).toBe(1);
    expect(ruleFindings('methods: [GET, HEAD, OPTIONS]', 'inject:', `  - ${placeholder('in: [path]')}`)).toEqual([]);
  });

  it("is not looked for where the client's own field was removed before", () => {
    const found = ruleFindings(
      'strip: [X-Old]',
      'methods: [GET]',
      'inject:',
      '  - bearer: "${key}"',
      '  - query: { name: k, value: "${key}" }',
      `  - ${placeholder('in: ["header:authorization", "header:x_old", "query:k", "query:K"]')}`,
    );
    expect(found).toEqual([
      expect.stringContaining(
        'in[0]  the field "authorization" is injected, so the client\'s own is removed before placeholders are looked for',
      ),
      expect.stringContaining(
        'in[1]  the field "x_old" is in "strip" and so removed before placeholders are looked for',
      ),
      expect.stringContaining(
        'in[2]  the parameter "k" is injected, so the client\'s own is removed before placeholders are looked for',
      ),
    ]);
  });

  const twoRules = (one: string, other: string): readonly string[] =>
    findingsOf(`version: 1
secrets: { key: { env: KEY } }
rules:
  - { hosts: [a.example], methods: [GET], inject: [ { placeholder: { ${one}, value: "\${key}", in: [path] } } ] }
  - { hosts: [b.example], methods: [GET], inject: [ { placeholder: { ${other}, value: "\${key}", in: [path] } } ] }
`);

  it('is bound on several hosts with one token', () => {
    expect(twoRules('token: PSTRN-KEY-0001', 'token: PSTRN-KEY-0001')).toEqual([]);
  });

  it('has one answer to being misplaced', () => {
    expect(twoRules('token: PSTRN-KEY-0001', 'token: PSTRN-KEY-0001, misplaced: pass')).toEqual([
      expect.stringMatching(
        /^5:\d+ {2}rules\[1\]\.inject\[0\]\.placeholder\.misplaced {2}is bound with "misplaced: deny" elsewhere in this policy; a token has one answer$/,
      ),
    ]);
  });

  it.each([
    ['PSTRN-KEY-0001', 'PSTRN-KEY-0001-b', 'rules[1]'],
    ['b-PSTRN-KEY-0001', 'PSTRN-KEY-0001', 'rules[0]'],
    ['b-PSTRN-KEY-0001-b', 'PSTRN-KEY-0001', 'rules[0]'],
  ])('does not stand inside another: %s and %s', (one, other, path) => {
    expect(twoRules(`token: ${one}`, `token: ${other}`)).toEqual([
      expect.stringContaining(
        `${path}.inject[0].placeholder.token  has another placeholder of this policy inside it; choose tokens that differ`,
      ),
    ]);
  });

  it('twice in one rule is refused', () => {
    expect(
      ruleFindings(
        'methods: [GET]',
        'inject:',
        `  - ${placeholder('in: [path]')}`,
        `  - ${placeholder('in: [query]')}`,
      ),
    ).toEqual([
      '8:9  rules[0].inject[1].placeholder  puts a second value into the same token, which inject[0] fills; keep one of them',
    ]);
  });
});
