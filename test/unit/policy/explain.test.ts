import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../../src/policy/compile.ts';
import type { RequestFacts } from '../../../src/policy/decision.ts';
import { explain } from '../../../src/policy/explain.ts';
import { explainText } from '../../../src/policy/explain-text.ts';
import type { RuleSpec, SandboxSpec } from '../../../src/policy/model.ts';
import { bearer, facts, forwardTo, header, limits, of, perMinute, rules, sandbox } from '../../support/specs.ts';

const explained = (
  parts: readonly Partial<RuleSpec>[],
  request: Partial<RequestFacts> = {},
  rest: Partial<SandboxSpec> = {},
) => explain(compilePolicy(sandbox({ rules: rules(...parts), ...rest })), facts(request));

const READ: Partial<RuleSpec> = {
  name: 'read',
  methods: ['GET', 'HEAD'],
  paths: ['/repos/**'],
  inject: [bearer('github'), header('x-key', 'openai'), { kind: 'query', name: 'key', value: of('openai') }],
};

describe('an explanation', () => {
  it('of an allowed request names the rule, its place and what would be added, and no value', () => {
    expect(explained([READ], { path: '/repos/x' })).toMatchObject({
      sandbox: 'default',
      method: 'GET',
      url: 'https://api.example.com:443/repos/x',
      decision: 'allow',
      code: null,
      rule: { rule: 'read', file: 'policies/test.yaml', line: 10 },
      tunnel: 'intercept',
      changes: { secrets: ['github', 'openai'], fields: ['Authorization', 'x-key'], query: ['key'], cookies: [] },
    });
  });

  it('of a request that is forwarded says where to', () => {
    const forward = forwardTo('audit.example', '/in');
    const explanation = explained([{ forward, methods: ['GET'] }], { method: 'GET' });
    expect(explanation).toMatchObject({ decision: 'allow', forward: 'https://audit.example/in' });
    expect(explainText(explanation)).toContain(
      '  forwards   to https://audit.example/in, with Forwarded and X-Postern-Statement\n',
    );
    expect(explained([{ forward, methods: ['GET'] }], { method: 'PUT' }).forward).toBeNull();
  });

  it('says of each rule of the host at which condition it stopped, and what it wants', () => {
    const parts: Partial<RuleSpec>[] = [
      { name: 'plain', schemes: ['http'], ports: [443] },
      { name: 'port', ports: [8443] },
      { name: 'pass', tls: 'passthrough', ports: [9443] },
      { name: 'method', methods: ['PUT'] },
      { name: 'path', paths: ['/b/**', '/c'] },
      { name: 'query', query: [{ name: 'ref', value: { exact: 'main' } }] },
      { name: 'field', headers: [{ name: 'x-team', value: { glob: 'b*' } }] },
      { name: 'last', paths: ['/a'] },
      { name: 'later', action: 'deny' },
      { name: 'elsewhere', hosts: ['other.example.com'] },
    ];
    const { considered } = explained(parts, { path: '/a' });
    expect(considered.map(({ rule, outcome, unmet }) => [rule, outcome, unmet?.condition, unmet?.wants])).toEqual([
      ['plain', 'unmet', 'scheme', 'http'],
      ['port', 'unmet', 'port', '8443'],
      ['pass', 'skipped', undefined, undefined],
      ['method', 'unmet', 'method', 'PUT'],
      ['path', 'unmet', 'path', '/b/**, /c'],
      ['query', 'unmet', 'query', 'ref = main'],
      ['field', 'unmet', 'headers', 'x-team like b*'],
      ['last', 'decides', undefined, undefined],
      ['later', 'not-asked', undefined, undefined],
    ]);
  });

  it('of a denied request has the code, reason and hint that the client would be sent', () => {
    expect(explained([READ], { path: '/x' })).toMatchObject({
      decision: 'deny',
      code: 'PATH_DENIED',
      rule: null,
      hint: 'Paths that are allowed with this method: /repos/**.',
      changes: { secrets: [], fields: [], removed: [] },
    });
  });

  it('takes the tunnel first, where there is one', () => {
    expect(explained([{ tls: 'passthrough', name: 'pass' }])).toMatchObject({
      decision: 'allow',
      tunnel: 'opaque',
      rule: { rule: 'pass' },
      changes: { secrets: [] },
    });
    expect(explained([{ ports: [8443] }])).toMatchObject({ decision: 'deny', code: 'HOST_DENIED', tunnel: 'deny' });
    expect(explained([{ schemes: ['http'] }], { scheme: 'http', port: 80 })).toMatchObject({
      decision: 'allow',
      tunnel: null,
    });
    expect(explained([], { host: '192.0.2.1' }, { default: 'allow' })).toMatchObject({
      decision: 'deny',
      code: 'ADDRESS_DENIED',
      tunnel: 'named-inside',
    });
  });

  it('of an allowed request has the limits of its rule, as they stand in the file', () => {
    const all = limits({
      requests: perMinute(600),
      bytesOut: { amount: 1024 ** 3, windowMs: 86_400_000 },
      concurrency: 20,
      bodyBytesMax: 1_000,
    });
    const explanation = explained([{ ...READ, limits: all }], { path: '/repos/x' });
    expect(explanation.limits).toEqual(['requests 600/min', 'bytes_out 1GiB/day', 'concurrency 20', 'body 1000B']);
    expect(explainText(explanation)).toContain(
      '  limits     requests 600/min, bytes_out 1GiB/day, concurrency 20, body 1000B\n',
    );
    expect(explained([{ ...READ, limits: all }], { path: '/x' }).limits).toEqual([]);
    expect(explained([{ name: 'p', tls: 'passthrough', limits: limits({ concurrency: 2 }) }]).limits).toEqual([
      'concurrency 2',
    ]);
  });

  it('of what only passes because it is observed is would-deny', () => {
    expect(explained([READ], { method: 'POST', path: '/repos/x' }, { mode: 'observe' })).toMatchObject({
      decision: 'would-deny',
      code: 'METHOD_DENIED',
      changes: { secrets: [] },
    });
    expect(explained([], {}, { mode: 'observe' })).toMatchObject({ decision: 'would-deny', tunnel: 'opaque' });
  });

  it('survives JSON', () => {
    const explanation = explained([READ]);
    expect(JSON.parse(JSON.stringify(explanation))).toEqual(explanation);
  });
});

describe('the text of an explanation', () => {
  it('has the verdict first, then what it rests on', () => {
    expect(explainText(explained([READ], { method: 'POST', path: '/repos/x' }))).toBe(
      [
        'deny  METHOD_DENIED  POST https://api.example.com:443/repos/x',
        '  sandbox    default',
        '  rule       none',
        '  reason     No rule allows POST on https://api.example.com:443; the nearest is "read".',
        '  hint       Methods that are allowed here: GET, HEAD.',
        '  tunnel     intercepted: each request inside is decided on its own',
        '  considered',
        '    read (policies/test.yaml:10)  method does not hold; it wants GET, HEAD',
        '',
      ].join('\n'),
    );
  });

  it('counts rules that are too many to list', () => {
    const many = Array.from({ length: 60 }, (): Partial<RuleSpec> => ({ methods: ['PUT'] }));
    expect(explainText(explained(many))).toContain('    and 20 more\n');
  });
});
