import { describe, expect, it } from 'vitest';
import { findingsOf, policyOf } from './support.ts';

const file = (secrets: string, ...rules: readonly string[]): string =>
  `version: 1\nsecrets:\n  ${secrets}\nrules:\n${rules.map((rule) => `  - ${rule}\n`).join('')}`;

const BINDS_A = '{ hosts: [a.example], inject: [ { bearer: "${a}" } ] }';

describe('a secret', () => {
  it.each([['a'], ['_a'], ['A-b_9']])('has a name that a value can refer to: %s', (name) => {
    const rule = BINDS_A.replace('${a}', `\${${name}}`);
    expect(policyOf(file(`${name}: { env: A }`, rule)).secrets).toMatchObject([{ name }]);
  });

  it.each([
    [
      '"a b": { env: A }',
      '3:3  secrets["a b"]  "a b" is not a name for a secret; write letters, digits, "_" and "-", beginning with a letter or "_"',
    ],
    ['"9a": { env: A }', expect.stringContaining('3:3  secrets["9a"]  "9a" is not a name for a secret')],
    ['a: {}', '3:6  secrets.a  has no source; write { env: VARIABLE } or { file: PATH }'],
    ['a: { hosts: [a.example] }', '3:6  secrets.a  has no source; write { env: VARIABLE } or { file: PATH }'],
    [
      'a: { env: A, file: b }',
      '3:16  secrets.a.file  stands beside "env"; a secret has one source, so remove one of them',
    ],
    [
      'a: { env: "$A" }',
      '3:13  secrets.a.env  is not the name of an environment variable; write the name alone, e.g. GITHUB_TOKEN',
    ],
    [
      'a: { env: "${A}" }',
      '3:13  secrets.a.env  is not the name of an environment variable; write the name alone, e.g. GITHUB_TOKEN',
    ],
    [
      'a: { env: "" }',
      '3:13  secrets.a.env  is not the name of an environment variable; write the name alone, e.g. GITHUB_TOKEN',
    ],
    ['a: { env: 1 }', '3:13  secrets.a.env  must be a text; put it in quotes: "1"'],
    ['a: { file: "" }', '3:14  secrets.a.file  is empty; write the path of a file'],
    ['a: { file: ~/a }', '3:14  secrets.a.file  begins with "~", which only a shell reads; write the path in full'],
    [
      'a: { file: "${HOME}/a" }',
      '3:14  secrets.a.file  has a variable, which only a shell reads; write the path in full',
    ],
    [
      'a: { file: "$HOME/a" }',
      '3:14  secrets.a.file  has a variable, which only a shell reads; write the path in full',
    ],
    ['a: { file: "a\\0" }', '3:14  secrets.a.file  has control characters, which no path here has'],
    [
      'a: { value: x }',
      '3:8  secrets.a.value  is refused: a secret does not stand in a policy file; write { env: VARIABLE } or { file: PATH }',
    ],
    ['a: { fiel: x }', '3:8  secrets.a.fiel  is not a known key; did you mean "file"?'],
    ['a: { env: A, hosts: [] }', '3:23  secrets.a.hosts  is empty; it must be a list of hosts, e.g. [api.example.com]'],
    [
      'a: { env: A, hosts: [A.example] }',
      '3:24  secrets.a.hosts[0]  "A.example" has upper-case letters; write "a.example"',
    ],
    ['a: { env: A, hosts: ["*"] }', expect.stringContaining('3:24  secrets.a.hosts[0]  "*" covers every host')],
    ['a: plain', '3:6  secrets.a  must be { env: VARIABLE } or { file: PATH }'],
    ['a:', '3:5  secrets.a  is empty; it must be { env: VARIABLE } or { file: PATH }'],
  ])('is refused with what to write: %s', (secret, finding) => {
    expect(findingsOf(file(secret)).filter((line) => !line.includes('rules  is empty'))).toEqual([finding]);
  });

  it('that no rule uses is a warning', () => {
    expect(findingsOf(file('a: { env: A }\n  b: { env: B }', BINDS_A))).toEqual([
      '4:3  secrets.b  warning: is used by no rule; remove it, or name it in an "inject"',
    ]);
  });

  it('that is not defined is an error where it is used', () => {
    expect(
      findingsOf(file('github_token: { env: A }', '{ hosts: [a.example], inject: [ { bearer: "${github_tokn}" } ] }')),
    ).toEqual([
      '5:47  rules[0].inject[0].bearer  names the secret "github_tokn", which this file does not define; did you mean "github_token"?',
    ]);
    expect(
      findingsOf(
        'version: 1\nrules:\n  - { hosts: [a.example], inject: [ { basic: { username: x, password: "${my-key}" } } ] }\n',
      ),
    ).toEqual([
      '3:71  rules[0].inject[0].basic.password  names the secret "my-key", which this file does not define; add it under "secrets", e.g. { my-key: { env: MY_KEY } }',
    ]);
  });

  it('that is defined wrongly is not called undefined as well', () => {
    expect(findingsOf(file('a: {}', BINDS_A))).toEqual([
      '3:6  secrets.a  has no source; write { env: VARIABLE } or { file: PATH }',
    ]);
  });
});

describe('the hosts of a secret', () => {
  const rule = (hosts: string): string => `{ hosts: ${hosts}, inject: [ { bearer: "\${a}" } ] }`;

  it.each([
    ['[a.example]', '[a.example]'],
    ['["*.a.example"]', '[x.a.example, y.z.a.example]'],
    ['["*.a.example"]', '["*.a.example", "*.b.a.example"]'],
    ['[a.example, "*.a.example"]', '["*.a.example", a.example]'],
  ])('%s take a rule for %s', (hosts, of) => {
    expect(findingsOf(file(`a: { env: A, hosts: ${hosts} }`, rule(of)))).toEqual([]);
  });

  it.each([
    ['[a.example]', '[a.example, b.example]', 'b.example'],
    ['[a.example]', '[x.a.example]', 'x.a.example'],
    ['["*.a.example"]', '[a.example]', 'a.example'],
    ['["*.b.a.example"]', '["*.a.example"]', '*.a.example'],
    ['[a.example]', '["*.a.example"]', '*.a.example'],
  ])('%s refuse a rule for %s', (hosts, of, outside) => {
    const [finding, ...more] = findingsOf(file(`a: { env: A, hosts: ${hosts} }`, rule(of)));
    expect(more).toEqual([]);
    expect(finding).toContain(
      `rules[0].inject[0].bearer  would send the secret "a" to "${outside}", which is not one of its hosts`,
    );
    expect(finding).toContain('take the host out of the rule, or add it to secrets.a.hosts');
  });
});
