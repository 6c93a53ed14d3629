import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CompiledPolicy } from '../policy/compiled.ts';
import type { RuleSpec } from '../policy/model.ts';
import { limitChanges } from './limit-change.ts';
import type { Snapshot } from './snapshot.ts';

/** What one generation allows and denies that the one before did not, in short phrases for one line of a log. */
export interface Difference {
  readonly allowed: readonly string[];
  readonly denied: readonly string[];
  /** Rules that changed in another way: what they add, or a condition whose effect cannot be told in a phrase. */
  readonly changed: readonly string[];
}

type Sandboxes = Snapshot['sandboxes'];

const PHRASES_MAX = 20;
const SHOWN = 3;
/** Rules that are compared before the event loop has its turn: well under a millisecond. */
const RULES_AT_ONCE = 250;

/** Compares two generations rule by rule, after the swap and in pieces, so that no request waits for the log. */
export async function differenceBetween(previous: Sandboxes, next: Sandboxes): Promise<Difference> {
  const found = new Phrases();
  for (const name of new Set([...previous.keys(), ...next.keys()])) {
    const was = previous.get(name)?.policy ?? null;
    const is = next.get(name)?.policy ?? null;
    if (was === is) continue;
    if (was === null && is !== null) found.allow(name, `its policy, ${is.rules.length} rules`);
    if (was !== null && is === null) found.deny(name, 'everything, its policy is gone');
    if (was !== null && is !== null) await comparePolicies(name, was, is, found);
  }
  return found.difference();
}

class Phrases {
  readonly #allowed: string[] = [];
  readonly #denied: string[] = [];
  readonly #changed: string[] = [];

  allow(sandbox: string, phrase: string): void {
    this.#allowed.push(`${sandbox}: ${phrase}`);
  }

  deny(sandbox: string, phrase: string): void {
    this.#denied.push(`${sandbox}: ${phrase}`);
  }

  change(sandbox: string, phrase: string): void {
    this.#changed.push(`${sandbox}: ${phrase}`);
  }

  difference(): Difference {
    return { allowed: shortened(this.#allowed), denied: shortened(this.#denied), changed: shortened(this.#changed) };
  }
}

const shortened = (phrases: readonly string[]): readonly string[] =>
  phrases.length <= PHRASES_MAX
    ? phrases
    : [...phrases.slice(0, PHRASES_MAX), `and ${phrases.length - PHRASES_MAX} more`];

async function comparePolicies(
  sandbox: string,
  was: CompiledPolicy,
  is: CompiledPolicy,
  found: Phrases,
): Promise<void> {
  compareFrames(sandbox, was, is, found);
  const before = await ruleByKey(was.rules);
  const after = await ruleByKey(is.rules);
  let count = 0;
  for (const [key, rule] of after) {
    const old = before.get(key);
    if (old === undefined) addedOrRemoved(sandbox, rule, rule.action === 'allow', found);
    else if (!isSameRule(old, rule)) compareRules(sandbox, old, rule, found);
    if (++count % RULES_AT_ONCE === 0) await nextTurn();
  }
  for (const [key, rule] of before) if (!after.has(key)) addedOrRemoved(sandbox, rule, rule.action === 'deny', found);
}

function compareFrames(sandbox: string, was: CompiledPolicy, is: CompiledPolicy, found: Phrases): void {
  if (was.default !== is.default) {
    const phrase = 'hosts that no rule names';
    if (is.default === 'allow') found.allow(sandbox, phrase);
    else found.deny(sandbox, phrase);
  }
  if (was.mode !== is.mode) {
    if (is.mode === 'observe') found.allow(sandbox, 'what its rules deny, which is only audited now');
    else found.deny(sandbox, 'what its rules deny, which was only audited before');
  }
  compareLists(sandbox, 'subnet', { was: allowedSubnets(was), is: allowedSubnets(is), widens: true }, found);
  compareLists(sandbox, 'subnet', { was: deniedSubnets(was), is: deniedSubnets(is), widens: false }, found);
}

/** A rule is known again by its name; without one, by what it says, since its line moves with every edit above it. */
async function ruleByKey(rules: readonly RuleSpec[]): Promise<Map<string, RuleSpec>> {
  const byKey = new Map<string, RuleSpec>();
  for (const [position, rule] of rules.entries()) {
    byKey.set(rule.name ?? JSON.stringify({ ...rule, place: null }), rule);
    if (position % RULES_AT_ONCE === RULES_AT_ONCE - 1) await nextTurn();
  }
  return byKey;
}

/** Whether two rules say the same, wherever they stand. */
function isSameRule(one: RuleSpec, other: RuleSpec): boolean {
  const theirs: Readonly<Record<string, unknown>> = { ...other, place: one.place };
  return Object.entries(one).every(([key, value]) => isSameValue(value, theirs[key]));
}

function isSameValue(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object') return false;
  // Most lists are of texts, or empty; only conditions, injections and limits are more.
  if (Array.isArray(one) && Array.isArray(other) && one.length === other.length) {
    if (one.every((each, at) => each === other[at])) return true;
  }
  return JSON.stringify(one) === JSON.stringify(other);
}

function addedOrRemoved(sandbox: string, rule: RuleSpec, widens: boolean, found: Phrases): void {
  const phrase = rule.name === null ? hostsOf(rule) : `${rule.name} (${hostsOf(rule)})`;
  if (widens) found.allow(sandbox, phrase);
  else found.deny(sandbox, phrase);
}

function hostsOf({ hosts }: RuleSpec): string {
  const shown = hosts.slice(0, SHOWN).join(', ');
  return hosts.length > SHOWN ? `${shown} and ${hosts.length - SHOWN} more` : shown;
}

function compareRules(sandbox: string, was: RuleSpec, is: RuleSpec, found: Phrases): void {
  const label = is.name ?? hostsOf(is);
  if (was.action !== is.action) {
    if (is.action === 'allow') found.allow(sandbox, `${label} (${hostsOf(is)})`);
    else found.deny(sandbox, `${label} (${hostsOf(is)})`);
    return;
  }
  const widens = is.action === 'allow';
  const told = [
    compareLists(sandbox, label, { was: was.hosts, is: is.hosts, widens }, found),
    compareLists(sandbox, label, { was: was.schemes, is: is.schemes, widens }, found),
    compareConditions(sandbox, `${label} method`, { was: was.methods, is: is.methods, widens }, found),
    compareConditions(sandbox, `${label} path`, { was: was.paths, is: is.paths, widens }, found),
    compareLimits(sandbox, label, was, is, found),
  ];
  if (!told.includes(true)) found.change(sandbox, label);
}

interface Conditions {
  /** null: there is no such condition, and all is meant. */
  readonly was: readonly string[] | null;
  readonly is: readonly string[] | null;
  readonly widens: boolean;
}

function compareConditions(sandbox: string, label: string, { was, is, widens }: Conditions, found: Phrases): boolean {
  if (was !== null && is !== null) return compareLists(sandbox, label, { was, is, widens }, found);
  if (was === is) return false;
  const phrase = `${label} other than ${(was ?? is ?? []).slice(0, SHOWN).join(', ')}`;
  if ((is === null) === widens) found.allow(sandbox, phrase);
  else found.deny(sandbox, phrase);
  return true;
}

/** Whatever else a rule does, a higher limit lets more pass. */
function compareLimits(sandbox: string, label: string, was: RuleSpec, is: RuleSpec, found: Phrases): boolean {
  const changes = limitChanges(was.limits, is.limits);
  for (const { kind, text } of changes) {
    const phrase = `${label} ${text}`;
    if (kind === 'looser') found.allow(sandbox, phrase);
    else if (kind === 'tighter') found.deny(sandbox, phrase);
    else found.change(sandbox, phrase);
  }
  return changes.length > 0;
}

interface Lists {
  readonly was: readonly string[];
  readonly is: readonly string[];
  /** More entries allow more; false: they deny more. */
  readonly widens: boolean;
}

function compareLists(sandbox: string, label: string, { was, is, widens }: Lists, found: Phrases): boolean {
  const added = is.filter((entry) => !was.includes(entry));
  const removed = was.filter((entry) => !is.includes(entry));
  for (const entry of widens ? added : removed) found.allow(sandbox, `${label} ${entry}`);
  for (const entry of widens ? removed : added) found.deny(sandbox, `${label} ${entry}`);
  return added.length + removed.length > 0;
}

const allowedSubnets = ({ subnets }: CompiledPolicy): readonly string[] =>
  subnets.spec.allow.map(({ cidr, ports }) => (ports === null ? cidr : `${cidr} ports ${ports.join(',')}`));

const deniedSubnets = ({ subnets }: CompiledPolicy): readonly string[] => subnets.spec.deny.map(({ cidr }) => cidr);
