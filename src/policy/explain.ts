import type { Code } from '../errors.ts';
import type { Plan } from '../inject/plan.ts';
import type { CompiledPolicy, CompiledRule } from './compiled.ts';
import { decideFor, forwardOf } from './decide.ts';
import type { Decision, Denial, RequestFacts, TunnelDecision } from './decision.ts';
import { limitTexts } from './limits-text.ts';
import { type ConditionName, firstUnmet, Reading } from './match.ts';
import type { RuleSpec } from './model.ts';
import { decideTunnel } from './tunnel.ts';

/** Where a rule stands: what an operator has to find again. */
export interface RuleReference {
  readonly rule: string;
  readonly file: string;
  readonly line: number;
}

/** One rule of the host and what became of it. */
export interface Considered extends RuleReference {
  readonly action: RuleSpec['action'];
  /** `skipped`: a passthrough rule, which no request is inside of. `not-asked`: an earlier rule decided. */
  readonly outcome: 'decides' | 'unmet' | 'skipped' | 'not-asked';
  /** The first condition that did not hold, and what it wants; null for every other outcome. */
  readonly unmet: { readonly condition: ConditionName; readonly wants: string } | null;
}

/** What would be changed in the request; names only, never values. */
export interface Changes {
  readonly secrets: readonly string[];
  readonly fields: readonly string[];
  readonly query: readonly string[];
  readonly cookies: readonly string[];
  readonly placeholders: readonly string[];
  /** The client's fields that would not leave. */
  readonly removed: readonly string[];
}

/** Why a request is decided as it is. Plain data: it is what `postern explain --json` prints. */
export interface Explanation {
  readonly sandbox: string;
  readonly method: string;
  readonly url: string;
  readonly decision: 'allow' | 'would-deny' | 'deny';
  readonly code: Code | null;
  readonly reason: string | null;
  readonly hint: string | null;
  readonly rule: RuleReference | null;
  /** How the connection would be read; null for plain HTTP, which has no tunnel. */
  readonly tunnel: TunnelDecision['kind'] | null;
  /** The URL that it would be sent to instead of its origin. */
  readonly forward: string | null;
  readonly changes: Changes;
  /** Of the rule that decides, as they stand in its file: `requests 600/min`. */
  readonly limits: readonly string[];
  readonly considered: readonly Considered[];
}

/**
 * Explains what would become of a request: the tunnel first where it is https, then the request inside, as the data path decides them.
 */
export function explain(policy: CompiledPolicy, facts: RequestFacts): Explanation {
  const tunnel = facts.scheme === 'https' ? decideTunnel(policy, facts.host, facts.port, 'connect') : null;
  const decision = tunnel === null ? null : decidedByTunnel(tunnel, policy);
  const host = policy.rulesFor(facts.host);
  const settled = decision ?? decideFor(policy, host, facts);
  const reading = host === null ? null : new Reading(facts, host);
  const denial = settled.effect === 'allow' ? null : settled;
  return {
    sandbox: policy.sandbox,
    method: facts.method,
    url: urlOf(facts),
    decision: settled.effect,
    code: denial?.code ?? null,
    reason: denial?.reason ?? null,
    hint: denial?.hint ?? null,
    rule: settled.rule === null ? null : referenceTo(settled.rule),
    tunnel: tunnel?.kind ?? null,
    forward: forwardOf(settled)?.url ?? null,
    changes: changesOf(settled.effect === 'deny' ? null : settled.plan),
    limits: settled.effect === 'allow' ? limitTexts(settled.rule?.spec.limits ?? null) : [],
    considered: reading === null ? [] : considerAll(host?.rules ?? [], reading, settled.rule),
  };
}

/** A verdict that stands before any request is read; null where the requests inside are decided one by one. */
function decidedByTunnel(tunnel: TunnelDecision, policy: CompiledPolicy): Decision | null {
  switch (tunnel.kind) {
    case 'intercept':
      return null;
    case 'deny':
      return { effect: 'deny', ...denialOf(tunnel) };
    case 'opaque':
      if (tunnel.effect === 'allow') return { effect: 'allow', rule: tunnel.rule, plan: policy.bare };
      return { effect: 'would-deny', ...OBSERVED, rule: tunnel.rule, plan: policy.bare };
    case 'raw':
      return { effect: 'allow', rule: null, plan: policy.bare };
    case 'named-inside':
      return { effect: 'deny', ...NAMED_INSIDE };
  }
}

const denialOf = ({ code, rule, reason, hint }: Denial): Denial =>
  hint === undefined ? { code, rule, reason } : { code, rule, reason, hint };

const OBSERVED: Omit<Denial, 'rule'> = {
  code: 'HOST_DENIED',
  reason: 'No rule allows this host; it passes unread because this file only observes.',
};

const NAMED_INSIDE: Denial = {
  code: 'ADDRESS_DENIED',
  rule: null,
  reason: 'No rule names this address: the name inside the connection (SNI) would be judged in its place.',
  hint: 'Explain the name instead of the address.',
};

function considerAll(
  rules: readonly CompiledRule[],
  reading: Reading,
  decider: CompiledRule | null,
): readonly Considered[] {
  const decisive = decider === null ? Number.POSITIVE_INFINITY : decider.index;
  return rules.map((rule): Considered => {
    const outcome = outcomeOf(rule, reading, decisive);
    return {
      ...referenceTo(rule),
      action: rule.spec.action,
      outcome: typeof outcome === 'string' ? outcome : 'unmet',
      unmet: typeof outcome === 'string' ? null : outcome,
    };
  });
}

function outcomeOf(
  rule: CompiledRule,
  reading: Reading,
  decisive: number,
): Exclude<Considered['outcome'], 'unmet'> | NonNullable<Considered['unmet']> {
  if (rule.index === decisive) return 'decides';
  if (rule.index > decisive) return 'not-asked';
  if (rule.spec.tls === 'passthrough') return 'skipped';
  const condition = firstUnmet(rule, reading);
  // A path that is refused before any rule is asked (`PATH_AMBIGUOUS`) leaves rules that would have held.
  return condition === null ? 'not-asked' : { condition, wants: wantsOf(rule.spec, condition) };
}

/** What the rule has for a condition, as it stands in the file. */
function wantsOf(spec: RuleSpec, condition: ConditionName): string {
  switch (condition) {
    case 'scheme':
      return spec.schemes.join(', ');
    case 'port':
      return spec.ports === null ? 'the default port of the scheme' : spec.ports.join(', ');
    case 'method':
      return spec.methods?.join(', ') ?? 'any';
    case 'path':
      return spec.paths?.join(', ') ?? 'a path without an encoded slash';
    case 'query':
      return spec.query.map(conditionText).join(', ');
    case 'headers':
      return spec.headers.map(conditionText).join(', ');
  }
}

const conditionText = ({ name, value }: RuleSpec['query'][number]): string =>
  'exact' in value ? `${name} = ${value.exact}` : `${name} like ${value.glob}`;

const referenceTo = ({ label, place }: CompiledRule): RuleReference => ({
  rule: label,
  file: place.file,
  line: place.line,
});

function changesOf(plan: Plan | null): Changes {
  return {
    secrets: plan?.secrets ?? [],
    fields: plan?.fields.map(({ name }) => name) ?? [],
    query: plan?.query.map(({ name }) => name) ?? [],
    cookies: plan?.cookies.map(({ name }) => name) ?? [],
    placeholders: plan?.placeholders.map(({ token }) => token) ?? [],
    removed: [...(plan?.removed ?? [])],
  };
}

const urlOf = ({ scheme, host, port, path, query }: RequestFacts): string =>
  `${scheme}://${host}:${port}${path}${query === null ? '' : `?${query}`}`;
