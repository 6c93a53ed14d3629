import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../../src/policy/compile.ts';
import type { TunnelDecision, TunnelKind } from '../../../src/policy/decision.ts';
import type { RuleSpec, SandboxSpec } from '../../../src/policy/model.ts';
import { decideTunnel } from '../../../src/policy/tunnel.ts';
import { forwardTo, place, rules, sandbox } from '../../support/specs.ts';

interface Asked {
  readonly host?: string;
  readonly port?: number;
  readonly kind?: TunnelKind;
}

function ask(parts: readonly Partial<RuleSpec>[], asked: Asked = {}, rest: Partial<SandboxSpec> = {}): TunnelDecision {
  const policy = compilePolicy(sandbox({ rules: rules(...parts), ...rest }));
  return decideTunnel(policy, asked.host ?? 'api.example.com', asked.port ?? 443, asked.kind ?? 'connect');
}

const codeOf = (decision: TunnelDecision): string => (decision.kind === 'deny' ? decision.code : decision.kind);

describe('a host that rules name', () => {
  it('is intercepted if some rule could allow something, whatever else it asks', () => {
    const picky: Partial<RuleSpec> = {
      methods: ['GET'],
      paths: ['/only/this'],
      query: [{ name: 'a', value: { exact: '1' } }],
      headers: [{ name: 'b', value: { exact: '2' } }],
    };
    expect(ask([picky])).toEqual({ kind: 'intercept', observed: false, claim: 'named' });
  });

  it('is not looked up for the tunnel where some rule that could allow forwards', () => {
    const forward = forwardTo('audit.example');
    const claimed = (parts: readonly Partial<RuleSpec>[]): unknown => Object.entries(ask(parts)).at(-1);
    expect(claimed([{ paths: ['/a'] }, { forward }])).toEqual(['claim', 'forward']);
    expect(claimed([{}, { forward, ports: [8443] }])).toEqual(['claim', 'named']);
  });

  it.each<[string, Partial<RuleSpec>, number, string]>([
    ['https on its default port', {}, 443, 'intercept'],
    ['https on another port', {}, 80, 'HOST_DENIED'],
    ['http on its default port, through CONNECT', { schemes: ['http'] }, 80, 'intercept'],
    ['http on the port of https', { schemes: ['http'] }, 443, 'HOST_DENIED'],
    ['a port of its own', { ports: [8443, 9443] }, 9443, 'intercept'],
    ['the default port where others are listed', { ports: [8443] }, 443, 'HOST_DENIED'],
  ])('%s', (_what, part, port, expected) => {
    expect(codeOf(ask([part], { port }))).toBe(expected);
  });

  it('with deny rules only is refused by the rule that denies all of it', () => {
    expect(ask([{ name: 'no', action: 'deny' }])).toMatchObject({
      kind: 'deny',
      code: 'RULE_DENIED',
      rule: { label: 'no' },
    });
  });

  it('with conditional deny rules only is refused, since nothing allows anything', () => {
    expect(ask([{ action: 'deny', methods: ['POST'] }])).toMatchObject({
      kind: 'deny',
      code: 'HOST_DENIED',
      rule: null,
    });
  });

  it('is refused where every allow rule comes after a rule that denies all of its schemes', () => {
    const deny: Partial<RuleSpec> = { name: 'no', action: 'deny' };
    expect(codeOf(ask([deny, {}]))).toBe('RULE_DENIED');
    expect(codeOf(ask([{}, deny]))).toBe('intercept');
  });

  it('stays open for a scheme that the deny rule does not take', () => {
    const denyHttps: Partial<RuleSpec> = { action: 'deny', ports: [443] };
    const allowBoth: Partial<RuleSpec> = { schemes: ['http', 'https'], ports: [443] };
    expect(codeOf(ask([denyHttps, allowBoth]))).toBe('intercept');
    expect(codeOf(ask([{ ...denyHttps, schemes: ['http', 'https'] }, allowBoth]))).toBe('RULE_DENIED');
  });

  it.each<[string, Partial<RuleSpec>]>([
    ['methods', { methods: ['POST'] }],
    ['paths', { paths: ['/**'] }],
    ['query', { query: [{ name: 'a', value: { glob: '*' } }] }],
    ['headers', { headers: [{ name: 'a', value: { glob: '*' } }] }],
  ])('stays open behind a deny rule with %s', (_what, condition) => {
    expect(codeOf(ask([{ action: 'deny', ...condition }, {}]))).toBe('intercept');
  });

  it('tells on refusal what would do', () => {
    expect(ask([{ ports: [8443] }])).toMatchObject({
      reason: 'No rule allows anything on api.example.com:443; the nearest is "policies/test.yaml:10".',
      hint: 'Allowed on this host: https on port 8443.',
    });
  });
});

describe('the first rule whose hosts and ports hold fixes how the connection is read', () => {
  const passthrough: Partial<RuleSpec> = { name: 'pass', tls: 'passthrough' };
  it('opaque if it is passthrough, intercepted if it is not', () => {
    expect(ask([passthrough, {}])).toMatchObject({
      kind: 'opaque',
      effect: 'allow',
      rule: { label: 'pass' },
      claim: 'named',
    });
    expect(codeOf(ask([{}, passthrough]))).toBe('intercept');
  });

  it('and a passthrough rule of another port does not', () => {
    expect(codeOf(ask([{ ...passthrough, ports: [8443] }, {}]))).toBe('intercept');
    expect(codeOf(ask([{ ...passthrough, ports: [8443] }, {}], { port: 8443 }))).toBe('opaque');
  });

  it('a passthrough rule behind an intercepting one allows nothing inside', () => {
    expect(codeOf(ask([{ action: 'deny' }, passthrough]))).toBe('RULE_DENIED');
  });

  it('a passthrough rule may deny', () => {
    expect(ask([{ ...passthrough, action: 'deny' }, {}])).toMatchObject({
      code: 'RULE_DENIED',
      rule: { label: 'pass' },
    });
  });
});

describe('a host that no rule names', () => {
  it('is refused, or opaque under default: allow, on any port', () => {
    expect(codeOf(ask([], { host: 'example.org' }))).toBe('HOST_DENIED');
    expect(ask([], { host: 'example.org', port: 8443 }, { default: 'allow' })).toEqual({
      kind: 'opaque',
      rule: null,
      effect: 'allow',
      claim: 'unnamed',
    });
  });

  it('passes unintercepted when only observing', () => {
    expect(ask([], {}, { mode: 'observe' })).toMatchObject({ kind: 'opaque', effect: 'would-deny', claim: 'unnamed' });
  });

  it('does not make default: allow open a named host on a port that no rule has', () => {
    expect(codeOf(ask([{}], { port: 22 }, { default: 'allow' }))).toBe('HOST_DENIED');
  });
});

describe('mode: observe on a host that rules name', () => {
  it('intercepts what would be refused, so that each request is judged and audited, and opens no private space', () => {
    const observe: Partial<SandboxSpec> = { mode: 'observe' };
    expect(ask([{ action: 'deny' }], {}, observe)).toEqual({ kind: 'intercept', observed: true, claim: 'unnamed' });
    expect(ask([{}], { port: 8443 }, observe)).toEqual({ kind: 'intercept', observed: true, claim: 'unnamed' });
    expect(ask([{}], {}, observe)).toEqual({ kind: 'intercept', observed: false, claim: 'named' });
  });

  it('leaves a refused passthrough opaque', () => {
    expect(ask([{ tls: 'passthrough', action: 'deny' }], {}, { mode: 'observe' })).toMatchObject({
      kind: 'opaque',
      effect: 'would-deny',
      claim: 'unnamed',
    });
  });
});

describe('an authority that is an address', () => {
  const allow: Partial<SandboxSpec> = {
    subnets: {
      allow: [
        { place: place(7), cidr: '10.1.0.0/16', ports: [5432] },
        { place: place(8), cidr: '2001:db8::/32', ports: null },
      ],
      deny: [{ place: place(9), cidr: '10.1.9.0/24' }],
    },
  };

  it('goes raw where subnets.allow holds it on this port', () => {
    expect(ask([], { host: '10.1.2.3', port: 5432 }, allow)).toEqual({ kind: 'raw', place: place(7), claim: 'subnet' });
    expect(ask([], { host: '[2001:db8::1]', port: 443 }, allow)).toEqual({
      kind: 'raw',
      place: place(8),
      claim: 'subnet',
    });
    expect(codeOf(ask([], { host: '10.1.2.3', port: 443 }, allow))).toBe('ADDRESS_DENIED');
  });

  it.each(['10.1.9.1', '[::ffff:10.1.9.1]', '[64:ff9b::a01:901]', '[2002:a01:901::1]'])(
    'is refused where subnets.deny holds it, before every rule and in every spelling: %s',
    (host) => {
      const decision = ask([{ hosts: [host], ports: [5432] }], { host, port: 5432 }, allow);
      expect(decision).toMatchObject({ kind: 'deny', code: 'ADDRESS_DENIED' });
      expect(decision).toMatchObject({ reason: expect.stringContaining('10.1.9.0/24') });
    },
  );

  it('is judged by the rules that name it, before subnets', () => {
    const host = '10.1.2.3';
    expect(codeOf(ask([{ hosts: [host], ports: [5432] }], { host, port: 5432 }, allow))).toBe('intercept');
    expect(codeOf(ask([{ hosts: [host], ports: [5432], action: 'deny' }], { host, port: 5432 }, allow))).toBe(
      'RULE_DENIED',
    );
    expect(codeOf(ask([{ hosts: [host] }], { host, port: 5432 }, allow))).toBe('raw');
    expect(codeOf(ask([{ hosts: [host] }], { host, port: 22 }, allow))).toBe('HOST_DENIED');
  });

  it.each<[TunnelKind, 'allow' | 'deny', string]>([
    ['connect', 'deny', 'ADDRESS_DENIED'],
    ['connect', 'allow', 'named-inside'],
    ['socks', 'deny', 'named-inside'],
    ['transparent', 'deny', 'named-inside'],
  ])('that nothing names, by %s under default: %s, is %s', (kind, byDefault, expected) => {
    expect(codeOf(ask([], { host: '192.0.2.1', kind }, { default: byDefault }))).toBe(expected);
  });

  it('stays refused when only observing: that is not a denial by a rule', () => {
    expect(codeOf(ask([], { host: '192.0.2.1' }, { mode: 'observe' }))).toBe('ADDRESS_DENIED');
  });
});
