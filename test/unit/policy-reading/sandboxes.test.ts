import { describe, expect, it } from 'vitest';
import { formatFinding } from '../../../src/policy/finding.ts';
import type { PolicySpec } from '../../../src/policy/model.ts';
import { readPolicy } from '../../../src/policy/reading/read.ts';
import { groupSandboxes } from '../../../src/policy/reading/sandboxes.ts';

/** Reads files given as name and text, each of which must be right. */
function specs(files: Readonly<Record<string, string>>): readonly PolicySpec[] {
  return Object.entries(files).map(([file, text]) => {
    const { spec, findings } = readPolicy(`version: 1\n${text}`, file);
    return spec ?? expect.fail(findings.map((finding) => formatFinding(finding)).join('\n'));
  });
}

const group = (files: Readonly<Record<string, string>>) => {
  const { sandboxes, findings } = groupSandboxes(specs(files));
  return {
    sandboxes,
    names: sandboxes.map(({ name }) => name),
    findings: findings.map((finding) => formatFinding(finding)),
  };
};

const named = (name: string, match: string): string => `sandbox: { name: ${name}, match: [ ${match} ] }\n`;
const rule = (keys: string): string => `rules: [ { ${keys} } ]\n`;

describe('files without a sandbox', () => {
  it('are merged in the order of their names into one that everyone is', () => {
    const { sandboxes, findings } = group({
      'b.yaml': `${rule('name: b, hosts: [b.example]')}subnets: { deny: [10.0.0.0/8] }\n`,
      'a.yaml': `default: allow\nmode: observe\n${rule('name: a, hosts: [a.example]')}subnets: { allow: [ { cidr: 10.0.0.0/8 } ] }\n`,
    });
    expect(findings).toEqual([]);
    expect(sandboxes).toMatchObject([
      {
        name: 'default',
        files: ['a.yaml', 'b.yaml'],
        match: null,
        default: 'allow',
        mode: 'observe',
        introspect: false,
        rules: [{ name: 'a' }, { name: 'b' }],
        subnets: { allow: [{ cidr: '10.0.0.0/8' }], deny: [{ cidr: '10.0.0.0/8' }] },
      },
    ]);
  });

  it('deny and enforce where none says otherwise', () => {
    expect(group({ 'a.yaml': '' }).sandboxes).toMatchObject([{ default: 'deny', mode: 'enforce', introspect: false }]);
  });

  it('have a hash of their texts in order', () => {
    const hash = (files: Readonly<Record<string, string>>) => group(files).sandboxes[0]?.hash;
    expect(hash({ 'a.yaml': '', 'b.yaml': '# x' })).toMatch(/^[0-9a-f]{64}$/);
    expect(hash({ 'a.yaml': '', 'b.yaml': '# x' })).toBe(hash({ 'b.yaml': '# x', 'a.yaml': '' }));
    expect(hash({ 'a.yaml': '', 'b.yaml': '# x' })).not.toBe(hash({ 'a.yaml': '# x', 'b.yaml': '' }));
  });

  it.each([
    [
      'default: allow',
      'default: deny',
      'b.yaml:1:1  default  is "deny" here and "allow" in a.yaml; files without "sandbox" are one policy, so say the same',
    ],
    [
      'mode: observe',
      'mode: enforce',
      'b.yaml:1:1  mode  is "enforce" here and "observe" in a.yaml; files without "sandbox" are one policy, so say the same',
    ],
    [
      rule('name: x, hosts: [a.example]'),
      rule('name: x, hosts: [b.example]'),
      'b.yaml:2:10  rules[0].name  "x" is the name of a rule in a.yaml too; files without "sandbox" are one policy, so rename one',
    ],
    [
      'secrets: { s: { env: A } }',
      'secrets: { s: { env: B } }',
      'b.yaml:2:12  secrets.s  is another secret than the one of this name in a.yaml; rename one, or write both the same',
    ],
    [
      'secrets: { s: { env: A } }',
      'secrets: { s: { env: A, hosts: [a.example] } }',
      'b.yaml:2:12  secrets.s  is another secret than the one of this name in a.yaml; rename one, or write both the same',
    ],
  ])('that contradict each other are refused: %s and %s', (one, other, finding) => {
    const { names, findings } = group({ 'a.yaml': one, 'b.yaml': other });
    expect(findings).toEqual([finding]);
    expect(names).toEqual([]);
  });

  it('may say the same, and define the same secret', () => {
    const text = 'default: allow\nsecrets: { s: { env: A, hosts: [a.example] } }\n';
    const { sandboxes, findings } = group({ 'a.yaml': text, 'b.yaml': text });
    expect(findings).toEqual([]);
    expect(sandboxes).toMatchObject([{ default: 'allow', secrets: [{ name: 's' }] }]);
    expect(sandboxes[0]?.secrets.length).toBe(1);
  });

  it('have placeholders that can be told apart', () => {
    const text = (token: string) =>
      `secrets: { s: { env: A } }\n${rule(`hosts: [a.example], methods: [GET], inject: [ { placeholder: { token: ${token}, value: "\${s}", in: [path] } } ]`)}`;
    const { names, findings } = group({ 'a.yaml': text('PSTRN-KEY-0001'), 'b.yaml': text('PSTRN-KEY-0001-b') });
    expect(findings).toEqual([
      'b.yaml:3:10  rules[0].inject[0].placeholder.token  has another placeholder of this policy inside it; choose tokens that differ',
    ]);
    expect(names).toEqual([]);
  });
});

describe('files with a sandbox', () => {
  it('are one each, in the order of their names', () => {
    const { names, sandboxes, findings } = group({
      'x.yaml': named('b', '{ source: 10.0.0.1 }'),
      'y.yaml': named('a', '{ source: 10.0.0.0/8 }, { any: true }'),
    });
    expect(findings).toEqual([]);
    expect(names).toEqual(['a', 'b']);
    expect(sandboxes[0]).toMatchObject({ files: ['y.yaml'], match: [{ source: '10.0.0.0/8' }, { any: true }] });
  });

  it('may define secrets and rules of the same name, since each stands alone', () => {
    const text = (name: string, source: string) =>
      `${named(name, `{ source: ${source} }`)}secrets: { s: { env: ${name.toUpperCase()} } }\n${rule('name: r, hosts: [a.example], inject: [ { bearer: "${s}" } ]')}`;
    const { names, findings } = group({ 'a.yaml': text('a', '10.0.0.1'), 'b.yaml': text('b', '10.0.0.2') });
    expect(findings).toEqual([]);
    expect(names).toEqual(['a', 'b']);
  });

  it.each([
    ['the sandbox "a"', named('a', '{ source: 10.0.0.1 }'), named('a', '{ source: 10.0.0.2 }'), 'sandbox.name', '1:1'],
    [
      'the address block 10.0.0.1/32',
      named('a', '{ source: 10.0.0.1 }'),
      named('b', '{ source: 10.0.0.1/32 }'),
      'sandbox.match[0].source',
      '2:30',
    ],
    [
      'the listener 127.0.0.1:1',
      named('a', '{ listener: "127.0.0.1:1" }'),
      named('b', '{ listener: "127.0.0.1:1" }'),
      'sandbox.match[0].listener',
      '2:30',
    ],
    ['everyone else', named('a', '{ any: true }'), named('b', '{ any: true }'), 'sandbox.match[0].any', '2:30'],
  ])('that both claim %s are both refused, and the others stay', (shown, one, other, path, place) => {
    const { names, findings } = group({ 'a.yaml': one, 'b.yaml': other, 'c.yaml': named('c', '{ source: 10.0.0.3 }') });
    expect(findings).toEqual([
      `a.yaml:${place}  ${path}  claims ${shown}, as b.yaml does; only one file may`,
      `b.yaml:${place}  ${path}  claims ${shown}, as a.yaml does; only one file may`,
    ]);
    expect(names).toEqual(['c']);
  });

  it('may claim one thing twice in one file', () => {
    expect(
      group({ 'a.yaml': named('a', '{ source: 10.0.0.1 }, { source: 10.0.0.1, token: { env: T } }') }).findings,
    ).toEqual([]);
  });
});

describe('files of both kinds in one folder', () => {
  it('are refused: the few are reported, and the many stay', () => {
    const many = { 'a.yaml': named('a', '{ source: 10.0.0.1 }'), 'b.yaml': named('b', '{ source: 10.0.0.2 }') };
    const { names, findings } = group({ ...many, 'c.yaml': '' });
    expect(findings).toEqual([
      'c.yaml:1:1  has no "sandbox", but a.yaml beside it has one; name a sandbox in each file of a folder, or in none',
    ]);
    expect(names).toEqual(['a', 'b']);
    const turned = group({ 'a.yaml': '', 'b.yaml': '', 'c.yaml': named('c', '{ any: true }') });
    expect(turned.findings).toEqual([
      'c.yaml:1:1  sandbox  names a sandbox, but a.yaml beside it has none; name a sandbox in each file of a folder, or in none',
    ]);
    expect(turned.names).toEqual(['default']);
  });

  it('and as many of each are all refused', () => {
    const { names, findings } = group({ 'a.yaml': '', 'b.yaml': named('b', '{ any: true }') });
    expect(findings.length).toBe(2);
    expect(names).toEqual([]);
  });

  it('or no file at all give no sandbox', () => {
    expect(groupSandboxes([])).toEqual({ sandboxes: [], findings: [] });
  });
});
