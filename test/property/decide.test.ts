import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CATALOGUE } from '../../src/errors.ts';
import { field } from '../../src/headers/field-list.ts';
import { compilePolicy } from '../../src/policy/compile.ts';
import type { CompiledPolicy } from '../../src/policy/compiled.ts';
import { claimOf, decide } from '../../src/policy/decide.ts';
import type { Decision, RequestFacts } from '../../src/policy/decision.ts';
import type { ConditionSpec, RuleSpec, SandboxSpec } from '../../src/policy/model.ts';
import { decideTunnel } from '../../src/policy/tunnel.ts';
import { bearer, facts, place, rule, sandbox } from '../support/specs.ts';

const HOSTS = ['a.test', 'x.a.test', 'y.x.a.test', 'b.test', '192.0.2.1', '[2001:db8::1]'];
const METHODS = ['GET', 'POST', 'DELETE'];
const PATHS = ['/', '/a', '/a/b', '/a/b/c', '/x'];

const value = fc.oneof(
  fc.constantFrom('main', 'dev').map((exact) => ({ exact })),
  fc.constantFrom('*', 'm*', '*n').map((glob) => ({ glob })),
);
const condition: fc.Arbitrary<ConditionSpec> = fc.record({ name: fc.constantFrom('ref', 'x-a'), value });
const some = <T>(items: readonly T[]): fc.Arbitrary<T[]> => fc.subarray([...items], { minLength: 1 });
const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { freq: 1 });

const anyRule: fc.Arbitrary<Partial<RuleSpec>> = fc.record({
  hosts: some(['a.test', '*.a.test', '*.x.a.test', 'b.test', '192.0.2.1']),
  schemes: some(['http', 'https'] as const),
  ports: orNull(some([80, 443, 8443])),
  methods: orNull(some(METHODS)),
  paths: orNull(some(['/a', '/a/**', '/*', '/**/b'])),
  encodedSlash: fc.boolean(),
  query: fc.array(condition, { maxLength: 1 }),
  headers: fc.array(condition, { maxLength: 1 }),
  action: fc.constantFrom('allow', 'allow', 'deny'),
  tls: fc.constantFrom('intercept', 'intercept', 'intercept', 'passthrough'),
  websocket: fc.boolean(),
  inject: fc.constantFrom([], [bearer('secret')]),
});

const anySandbox: fc.Arbitrary<SandboxSpec> = fc
  .record({
    default: fc.constantFrom('deny', 'allow'),
    mode: fc.constantFrom('enforce', 'observe'),
    rules: fc.array(anyRule, { maxLength: 6 }),
  })
  .map(({ rules, ...rest }) =>
    sandbox({ ...rest, rules: rules.map((each, index) => rule({ place: place(index + 1), ...each })) }),
  );

/** Requests that a policy was not written for. */
const anyFacts: fc.Arbitrary<RequestFacts> = fc.record({
  method: fc.oneof(fc.constantFrom(...METHODS, 'get', 'TRACE', 'CONNECT'), fc.string()),
  scheme: fc.constantFrom('http', 'https'),
  host: fc.oneof(fc.constantFrom(...HOSTS), fc.domain(), fc.string()),
  port: fc.constantFrom(80, 443, 8443, 1),
  path: fc.oneof(fc.constantFrom(...PATHS), fc.string(), fc.constantFrom('/a/..', '/a%2fb', '*', '')),
  query: orNull(fc.oneof(fc.constantFrom('ref=main', 'ref=main&ref=dev', 'ref=main;', 'ref=%zz'), fc.string())),
  fields: fc.array(
    fc.tuple(fc.constantFrom('X-A', 'x_a', 'Ref', 'B'), fc.string()).map(([name, text]) => field(name, text)),
    { maxLength: 3 },
  ),
  websocket: fc.boolean(),
});

describe('a decision', () => {
  it('is total: every request gets one, nothing throws, and what it says is short and printable', () => {
    fc.assert(
      fc.property(anySandbox, anyFacts, (spec, request) => {
        const decision = decide(compilePolicy(spec), request);
        if (decision.effect === 'allow') return;
        expect(Object.keys(CATALOGUE)).toContain(decision.code);
        const said = `${decision.reason}${decision.hint ?? ''}`;
        expect(said).toMatch(/^[\x20-\x7e]+$/);
        expect(said.length).toBeLessThan(1_500);
      }),
      { numRuns: 1_500 },
    );
  });

  it('is the one of a plain walk over all rules, however hosts are indexed', () => {
    fc.assert(
      fc.property(
        anySandbox,
        fc.constantFrom(...HOSTS),
        fc.constantFrom(...METHODS),
        fc.constantFrom(...PATHS),
        (spec, host, method, path) => {
          const request = facts({ host, method, path, query: 'ref=main', fields: [field('X-A', 'main')] });
          const decision = decide(compilePolicy({ ...spec, mode: 'enforce' }), request);
          const expected = plainWalk(spec, request);
          expect(decision.effect === 'allow' ? (decision.rule?.index ?? 'default') : 'deny').toEqual(expected);
        },
      ),
      { numRuns: 1_500 },
    );
  });

  it('never adds a credential unless a rule of that very host allowed the request', () => {
    fc.assert(
      fc.property(anySandbox, anyFacts, (spec, request) => {
        const decision = decide(compilePolicy(spec), request);
        if (decision.effect === 'deny' || decision.plan.secrets.length === 0) return;
        expect(decision.effect).toBe('allow');
        expect(decision.rule?.spec.hosts.some((pattern) => covers(pattern, request.host))).toBe(true);
        expect(claimOf(decision)).toBe('named');
      }),
      { numRuns: 1_500 },
    );
  });

  it('on a request in doubt is never looser than on its clean form', () => {
    fc.assert(
      fc.property(anySandbox, fc.constantFrom(...HOSTS), (spec, host) => {
        const policy = compilePolicy({ ...spec, mode: 'enforce' });
        const clean = facts({ host, path: '/a', query: 'ref=main', fields: [field('X-A', 'main')] });
        const doubtful: RequestFacts[] = [
          { ...clean, query: 'ref=main&ref=main' },
          { ...clean, query: 'ref=main;' },
          { ...clean, fields: [field('X-A', 'main'), field('X_A', 'main')] },
        ];
        for (const request of doubtful) {
          if (isAllowed(decide(policy, request))) expect(strictestRule(policy, clean)).not.toBe('deny');
        }
      }),
    );
  });
});

describe('a tunnel', () => {
  it('is total, and is not refused where some request inside would be allowed', () => {
    fc.assert(
      fc.property(anySandbox, anyFacts, (spec, request) => {
        const policy = compilePolicy(spec);
        const tunnel = decideTunnel(policy, request.host, request.port, 'connect');
        if (tunnel.kind === 'intercept' || tunnel.kind === 'opaque') return;
        // A passthrough rule that denies has the first word, and the requests inside are never seen.
        if (tunnel.kind === 'deny' && tunnel.rule?.spec.tls === 'passthrough') return;
        expect(isAllowed(decide(policy, request)) && policy.rulesFor(request.host) !== null).toBe(false);
      }),
      { numRuns: 1_500 },
    );
  });

  it('that is open without being observed has some request that is allowed, or that a condition alone denies', () => {
    fc.assert(
      fc.property(anySandbox, fc.constantFrom(...HOSTS), fc.constantFrom(80, 443, 8443), (spec, host, port) => {
        const tunnel = decideTunnel(compilePolicy(spec), host, port, 'connect');
        if (tunnel.kind !== 'intercept' || tunnel.observed) return;
        expect(
          spec.rules.some((each) => each.action === 'allow' && each.hosts.some((pattern) => covers(pattern, host))),
        ).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });
});

const isAllowed = (decision: Decision): boolean => decision.effect === 'allow';

/** Whether rules that a doubtful request may not escape deny the clean one. */
const strictestRule = (policy: CompiledPolicy, request: RequestFacts): string => decide(policy, request).effect;

function covers(pattern: string, host: string): boolean {
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) && !/[0-9\]]$/.test(host) : pattern === host;
}

/** Decides by the book, for requests without doubt: each rule in turn, each condition in turn. */
function plainWalk(spec: SandboxSpec, request: RequestFacts): number | 'default' | 'deny' {
  const named = spec.rules.filter(({ hosts }) => hosts.some((pattern) => covers(pattern, request.host)));
  if (named.length === 0) {
    const isLiteral = /[0-9\]]$/.test(request.host);
    return spec.default === 'allow' && !isLiteral ? 'default' : 'deny';
  }
  const found = named.find((each) => each.tls === 'intercept' && holds(each, request));
  return found === undefined || found.action === 'deny' ? 'deny' : spec.rules.indexOf(found);
}

function holds(each: RuleSpec, request: RequestFacts): boolean {
  const ports = each.ports ?? [443];
  const wanted = [
    ...each.query,
    ...each.headers.map(({ name, value: want }) => ({ name: `field ${name}`, value: want })),
  ];
  const given: Readonly<Record<string, string>> = { ref: 'main', 'field x-a': 'main' };
  return (
    each.schemes.includes('https') &&
    ports.includes(request.port) &&
    (each.methods === null || each.methods.includes(request.method)) &&
    (each.paths === null || each.paths.some((pattern) => plainPath(pattern, request.path))) &&
    wanted.every(({ name, value: want }) => given[name] !== undefined && ('glob' in want || want.exact === given[name]))
  );
}

function plainPath(pattern: string, path: string): boolean {
  const byPattern: Readonly<Record<string, readonly string[]>> = {
    '/a': ['/a'],
    '/a/**': ['/a', '/a/b', '/a/b/c'],
    '/*': ['/a', '/x'],
    '/**/b': ['/a/b'],
  };
  return byPattern[pattern]?.includes(path) ?? false;
}
