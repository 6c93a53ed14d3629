import type { CompiledPolicy, CompiledRule, HostRules } from './compiled.ts';
import type { Claim, Decision, Denial, RequestFacts } from './decision.ts';
import {
  addressUnnamed,
  deniedByRule,
  hostReserved,
  hostUnnamed,
  methodNever,
  noRuleHeld,
  pathAmbiguous,
  upgradeRefused,
} from './denials.ts';
import { isAddress } from './host-index.ts';
import { firstUnmet, Reading } from './match.ts';
import type { ForwardSpec } from './model.ts';
import { isOwnPlace, isReserved } from './reserved.ts';
import { nearestRules } from './steps.ts';

/** Decides one request. Total: every request gets a verdict, and nothing is thrown. */
export const decide = (policy: CompiledPolicy, facts: RequestFacts): Decision =>
  decideFor(policy, policy.rulesFor(facts.host), facts);

/**
 * Decides one request on a connection that looked its host up already.
 * @param host `policy.rulesFor(facts.host)` of this policy.
 */
export function decideFor(policy: CompiledPolicy, host: HostRules | null, facts: RequestFacts): Decision {
  // CONNECT inside a tunnel and TRACE, always (SEMANTICS.md 1); also in lower case, since some servers fold it.
  if (isNeverAllowed(facts.method)) return { effect: 'deny', ...methodNever(facts) };
  if (isReserved(facts.host)) return decideOwn(policy, facts);
  if (host === null) return decideUnnamed(policy, facts);
  const reading = new Reading(facts, host);
  if (reading.path !== null) {
    const { ambiguous, encodedSlash } = reading.path;
    if (ambiguous !== null) return { effect: 'deny', ...pathAmbiguous(ambiguous) };
    if (encodedSlash && !host.takesEncodedSlash) return { effect: 'deny', ...pathAmbiguous('has an encoded slash') };
  }
  return firstHolding(policy, host, reading);
}

/** The first rule whose every condition holds decides; without one, the furthest step that any rule reached names the code. */
function firstHolding(policy: CompiledPolicy, host: HostRules, reading: Reading): Decision {
  const { rules } = host;
  for (let position = 0; position < rules.length; position++) {
    const rule = rules[position];
    if (rule === undefined) continue;
    // Passthrough rules are for tunnels; there is no request to see in one (SEMANTICS.md 1).
    if (rule.spec.tls === 'passthrough') continue;
    if (firstUnmet(rule, reading) === null) return settle(policy, host, { rule, position, facts: reading.facts });
  }
  return enforced(policy, host, noRuleHeld(nearestRules(host, reading), reading.facts));
}

interface Holding {
  readonly rule: CompiledRule;
  readonly position: number;
  readonly facts: RequestFacts;
}

function settle(policy: CompiledPolicy, host: HostRules, { rule, position, facts }: Holding): Decision {
  if (rule.spec.action === 'deny') return enforced(policy, host, deniedByRule(rule, facts.host));
  if (facts.websocket && !rule.spec.websocket) return { effect: 'deny', ...upgradeRefused(rule) };
  return { effect: 'allow', rule, plan: host.planAt(position) };
}

/** The proxy's own pages: whoever passes here is answered by us (`proxy/own-pages.ts`), and nothing is ever dialled for it. */
function decideOwn(policy: CompiledPolicy, { scheme, host, port }: RequestFacts): Decision {
  const isServed = policy.introspect && scheme === 'http' && isOwnPlace(host, port);
  if (isServed) return { effect: 'allow', rule: null, plan: policy.bare };
  return { effect: 'deny', ...hostReserved(host, policy) };
}

/** A host that no rule names: `default` speaks, and an address has to be named (SEMANTICS.md 1). */
function decideUnnamed(policy: CompiledPolicy, facts: RequestFacts): Decision {
  if (isAddress(facts.host)) return { effect: 'deny', ...addressUnnamed(facts.host) };
  if (policy.default === 'allow') return { effect: 'allow', rule: null, plan: policy.bare };
  return enforced(policy, null, hostUnnamed(facts.host));
}

/** A denial that `mode: observe` turns into a pass without a credential, or leaves as it is. */
function enforced(policy: CompiledPolicy, host: HostRules | null, denial: Denial): Decision {
  if (policy.mode === 'enforce') return { effect: 'deny', ...denial };
  return { effect: 'would-deny', ...denial, plan: host?.bare ?? policy.bare };
}

function isNeverAllowed(method: string): boolean {
  if (method.length !== 5 && method.length !== 7) return false;
  const upper = method.toUpperCase();
  return upper === 'TRACE' || upper === 'CONNECT';
}

/** Where the request is sent instead of to its origin; null: to its origin. */
export const forwardOf = (decision: Decision): ForwardSpec | null =>
  decision.effect === 'allow' ? (decision.rule?.spec.forward ?? null) : null;

/** Whose word the address of an allowed or observed request rests on (SEMANTICS.md 3): only a rule that allows speaks for private space. */
export function claimOf(decision: Decision): Claim {
  if (decision.effect !== 'allow' || decision.rule === null) return 'unnamed';
  return decision.rule.spec.forward === null ? 'named' : 'forward';
}
