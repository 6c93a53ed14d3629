import type { CompiledPolicy } from './compiled.ts';
import { limitTexts } from './limits-text.ts';
import { DEFAULT_PORTS } from './match.ts';
import type { ConditionSpec, InjectionSpec, Misplaced, RuleSpec, Scheme, Surface } from './model.ts';
import { CREDENTIAL_FIELDS } from './plans.ts';

/** A condition on a query parameter or a field. `null`: the value is not told, since what the field carries is a credential. */
export interface ConditionOutline {
  readonly name: string;
  readonly value: { readonly exact: string } | { readonly glob: string } | null;
}

export interface PlaceholderOutline {
  readonly token: string;
  /** `header:authorization`, `query`, `body:key`: as a policy file says it. */
  readonly in: readonly string[];
}

/** What the sandbox may know of a rule. `null` where a condition is not there: then anything holds. */
export interface RuleOutline {
  readonly name: string | null;
  readonly action: RuleSpec['action'];
  readonly hosts: readonly string[];
  readonly schemes: readonly Scheme[];
  readonly ports: readonly number[];
  readonly methods: readonly string[] | null;
  readonly paths: readonly string[] | null;
  readonly query: readonly ConditionOutline[];
  readonly headers: readonly ConditionOutline[];
  readonly tls: RuleSpec['tls'];
  readonly websocket: boolean;
  /** What is put into the request on its way out, by the name of its place. */
  readonly adds: {
    readonly fields: readonly string[];
    readonly query: readonly string[];
    readonly cookies: readonly string[];
  };
  readonly placeholders: readonly PlaceholderOutline[];
  /** Fields that never leave. */
  readonly removes: readonly string[];
  /** `requests 600/min`, as an author writes them. */
  readonly limits: readonly string[];
}

/** What a sandbox may reach: plain data, which is what `http://postern.internal/policy` answers. */
export interface Outline {
  readonly sandbox: string;
  readonly mode: CompiledPolicy['mode'];
  /** For hosts that no rule names. */
  readonly default: CompiledPolicy['default'];
  readonly rules: readonly RuleOutline[];
  /** Every placeholder of the rules, and what happens where it is written anywhere else. */
  readonly placeholders: readonly { readonly token: string; readonly misplaced: Misplaced }[];
  readonly subnets: {
    readonly allow: readonly { readonly cidr: string; readonly ports: readonly number[] }[];
    readonly deny: readonly string[];
  };
}

/**
 * Tells a sandbox its own policy. No secret stands in it, nor where one comes from, nor what it is called; and no name of a file.
 */
export function outlineOf(policy: CompiledPolicy): Outline {
  const { sandbox, mode, rules, subnets } = policy;
  return {
    sandbox,
    mode,
    default: policy.default,
    rules: rules.map(ruleOutline),
    placeholders: policy.bare.tokens.map(({ token, misplaced }) => ({ token, misplaced })),
    subnets: {
      allow: subnets.allow.map(({ cidr, ports }) => ({ cidr: cidr.text, ports: [...ports] })),
      deny: subnets.deny.map(({ text }) => text),
    },
  };
}

function ruleOutline(rule: RuleSpec): RuleOutline {
  const { name, action, hosts, schemes, methods, paths, tls, websocket, inject, strip } = rule;
  return {
    name,
    action,
    hosts,
    schemes,
    ports: rule.ports ?? schemes.map((scheme) => DEFAULT_PORTS[scheme]),
    methods,
    paths,
    query: rule.query.map(({ name: parameter, value }) => ({ name: parameter, value })),
    headers: rule.headers.map(headerOutline),
    tls,
    websocket,
    adds: {
      fields: inject.flatMap(fieldsOf),
      query: inject.flatMap((each) => (each.kind === 'query' ? [each.name] : [])),
      cookies: inject.flatMap((each) => (each.kind === 'cookie' ? [each.name] : [])),
    },
    placeholders: inject.flatMap((each) => (each.kind === 'placeholder' ? [placeholderOutline(each)] : [])),
    removes: strip,
    limits: limitTexts(rule.limits),
  };
}

/** A condition on `authorization` is as good as a password that somebody wrote into a policy. */
const headerOutline = ({ name, value }: ConditionSpec): ConditionOutline => ({
  name,
  value: CREDENTIAL_FIELDS.includes(name) ? null : value,
});

function fieldsOf(injection: InjectionSpec): readonly string[] {
  switch (injection.kind) {
    case 'bearer':
    case 'basic':
      return ['authorization'];
    case 'header':
      return [injection.name.toLowerCase()];
    case 'query':
    case 'cookie':
    case 'placeholder':
      return [];
  }
}

const placeholderOutline = (injection: InjectionSpec & { readonly kind: 'placeholder' }): PlaceholderOutline => ({
  token: injection.token,
  in: injection.in.map(surfaceText),
});

const surfaceText = (surface: Surface): string =>
  surface.kind === 'path' || surface.name === null ? surface.kind : `${surface.kind}:${surface.name}`;
