import { blockHolding } from '../address/blocks.ts';
import { type Ip, parseIp } from '../address/ip.ts';

import type { CompiledPolicy, CompiledRule, HostRules } from './compiled.ts';
import type { Denial, TunnelDecision, TunnelKind } from './decision.ts';
import { addressInDenied, addressUnnamed, deniedByRule, hostReserved, hostUnnamed, nothingOnPort } from './denials.ts';
import { isAddress } from './host-index.ts';
import { portHolds } from './match.ts';
import type { RuleSpec, Scheme } from './model.ts';
import { isOwnPlace, isReserved } from './reserved.ts';

/**
 * Decides how a connection to this host and port is read, before anything is read from it (SEMANTICS.md 1). Total, and judged again
 * after each reload for what is open.
 */
export function decideTunnel(policy: CompiledPolicy, host: string, port: number, kind: TunnelKind): TunnelDecision {
  if (isReserved(host)) {
    // Some clients ask for a tunnel for plain HTTP too; what they send in it is decided as anywhere.
    if (policy.introspect && isOwnPlace(host, port)) return { kind: 'intercept', observed: false, claim: 'unnamed' };
    return { kind: 'deny', ...hostReserved(host, policy) };
  }
  const ip = isAddress(host) ? parseIp(host.replace(/^\[|\]$/g, '')) : null;
  const refusing = ip === null ? null : blockHolding(policy.subnets.deny, ip);
  if (refusing !== null) return { kind: 'deny', ...addressInDenied(host, refusing.text) };
  const rules = policy.rulesFor(host);
  const named = rules === null ? null : decideNamed(policy, rules, { host, port });
  // An explicit deny of the address stands before `subnets.allow`; a port that no rule has does not.
  if (named !== null && (ip === null || named.kind !== 'deny' || named.rule !== null)) return named;
  if (ip !== null) return decideAddress(policy, ip, { host, port, kind, named });
  if (policy.default === 'allow') return { kind: 'opaque', rule: null, effect: 'allow', claim: 'unnamed' };
  if (policy.mode === 'observe') return { kind: 'opaque', rule: null, effect: 'would-deny', claim: 'unnamed' };
  return { kind: 'deny', ...hostUnnamed(host) };
}

interface Target {
  readonly host: string;
  readonly port: number;
}

/** A host that some rule names: the first rule whose hosts and ports hold fixes how the connection is read. */
function decideNamed(policy: CompiledPolicy, { rules }: HostRules, target: Target): TunnelDecision {
  const onPort = rules.filter(({ spec }) => schemesOnPort(spec, target.port).length > 0);
  const first = onPort[0];
  if (first?.spec.tls === 'passthrough') return decideOpaque(policy, first, target.host);
  const within = onPort.filter(({ spec }) => spec.tls === 'intercept');
  if (couldAllow(within, target.port))
    return { kind: 'intercept', observed: false, claim: within.some(forwards) ? 'forward' : 'named' };
  // Requests inside are then denied one by one, which `observe` turns into passes that are audited one by one.
  if (policy.mode === 'observe') return { kind: 'intercept', observed: true, claim: 'unnamed' };
  return { kind: 'deny', ...refusal(rules, within, target) };
}

const forwards = ({ spec }: CompiledRule): boolean => spec.forward !== null;

function decideOpaque(policy: CompiledPolicy, rule: CompiledRule, host: string): TunnelDecision {
  if (rule.spec.action === 'allow') return { kind: 'opaque', rule, effect: 'allow', claim: 'named' };
  if (policy.mode === 'observe') return { kind: 'opaque', rule, effect: 'would-deny', claim: 'unnamed' };
  return { kind: 'deny', ...deniedByRule(rule, host) };
}

/**
 * Whether some request on this port could be allowed. Sound: it says no only where every request would be denied, that is where each
 * allow rule comes after deny rules without further conditions that take all of its schemes.
 */
function couldAllow(rules: readonly CompiledRule[], port: number): boolean {
  const closed = new Set<Scheme>();
  for (const { spec } of rules) {
    const open = schemesOnPort(spec, port).filter((scheme) => !closed.has(scheme));
    if (spec.action === 'allow' && open.length > 0) return true;
    if (spec.action === 'deny' && isUnconditional(spec)) for (const scheme of open) closed.add(scheme);
  }
  return false;
}

/** The schemes that a rule speaks on this port. */
const schemesOnPort = (spec: RuleSpec, port: number): readonly Scheme[] =>
  spec.schemes.filter((scheme) => portHolds(spec, scheme, port));

const isUnconditional = (spec: RuleSpec): boolean =>
  spec.methods === null && spec.paths === null && spec.query.length === 0 && spec.headers.length === 0;

/** Why nothing could be allowed: a rule that denies all of it, else that no rule allows anything on this port. */
function refusal(rules: readonly CompiledRule[], within: readonly CompiledRule[], target: Target): Denial {
  const denying = within.find(({ spec }) => spec.action === 'deny' && isUnconditional(spec));
  return denying === undefined ? nothingOnPort(rules, target.host, target.port) : deniedByRule(denying, target.host);
}

interface AddressTarget extends Target {
  readonly kind: TunnelKind;
  /** What the rules that name the address say on other ports than this. */
  readonly named: TunnelDecision | null;
}

/** An address that no rule allows: raw where `subnets.allow` holds it, else the name inside the connection counts, else refused. */
function decideAddress(policy: CompiledPolicy, ip: Ip, { host, port, kind, named }: AddressTarget): TunnelDecision {
  const raw = policy.subnets.allow.find(({ cidr, ports }) => ports.has(port) && cidr.contains(ip));
  if (raw !== undefined) return { kind: 'raw', place: raw.place, claim: 'subnet' };
  if (named !== null) return named;
  if (kind !== 'connect' || policy.default === 'allow') return { kind: 'named-inside' };
  return { kind: 'deny', ...addressUnnamed(host) };
}
