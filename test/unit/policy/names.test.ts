import { expect, it } from 'vitest';
import { compilePolicy } from '../../../src/policy/compile.ts';
import type { RuleSpec, SandboxSpec } from '../../../src/policy/model.ts';
import { decideName } from '../../../src/policy/names.ts';
import { rules, sandbox } from '../../support/specs.ts';

function ask(
  parts: readonly Partial<RuleSpec>[],
  {
    host = 'api.example.com',
    redirected = false,
    ...rest
  }: Partial<SandboxSpec> & { host?: string; redirected?: boolean } = {},
): string {
  const decision = decideName(compilePolicy(sandbox({ rules: rules(...parts), ...rest })), host, redirected);
  return decision.effect === 'deny' ? decision.code : `${decision.effect} ${decision.claim} ${decision.port}`;
}

it.each<[string, readonly Partial<RuleSpec>[], string]>([
  ['a rule allows something there', [{}], 'allow named 443'],
  [
    'whatever its conditions',
    [{ methods: ['GET'], paths: ['/a'], query: [{ name: 'a', value: { exact: '1' } }] }],
    'allow named 443',
  ],
  ['it passes through', [{ tls: 'passthrough', ports: [5432] }], 'allow named 5432'],
  ['it allows plain HTTP alone', [{ schemes: ['http'] }], 'allow named 80'],
  ['only its second port is open', [{ action: 'deny', ports: [443] }, { ports: [443, 8443] }], 'allow named 8443'],
  ['a rule for all of it stands before', [{ action: 'deny' }, {}], 'RULE_DENIED'],
  ['it is denied alone', [{ action: 'deny', ports: [8080] }], 'RULE_DENIED'],
  ['other hosts are named', [{ hosts: ['*.api.example.com', 'example.com'] }], 'HOST_DENIED'],
  ['nothing is named', [], 'HOST_DENIED'],
])('a name may be known, or not, where %s', (_what, parts, wanted) => {
  expect(ask(parts)).toBe(wanted);
});

it('a host that no rule names is as "default" and "mode" have it', () => {
  expect(ask([], { default: 'allow' })).toBe('allow unnamed 443');
  expect(ask([], { mode: 'observe' })).toBe('would-deny unnamed 443');
  expect(ask([{ action: 'deny' }], { mode: 'observe' })).toBe('would-deny unnamed 443');
});

it("the proxy's own name is known where connections are redirected and it has pages", () => {
  const host = 'postern.internal';
  expect(ask([], { host, introspect: true, redirected: true })).toBe('allow unnamed 80');
  expect(ask([], { host, introspect: true, redirected: false })).toBe('HOST_DENIED');
  expect(ask([{ hosts: [host] }], { host, redirected: true })).toBe('HOST_DENIED');
  expect(ask([], { host: `x.${host}`, introspect: true, redirected: true, default: 'allow' })).toBe('HOST_DENIED');
});
