import { type Cidr, parseCidr } from '../address/cidr.ts';
import { fieldText } from '../headers/field-list.ts';
import type { KnownToken } from '../inject/plan.ts';
import type { CompiledPolicy, CompiledRule, HostRules } from './compiled.ts';
import { HostGroup } from './host-group.ts';
import { HostIndex } from './host-index.ts';
import { DEFAULT_PORTS } from './match.ts';
import type { Misplaced, RuleSpec, SandboxSpec, SubnetsSpec } from './model.ts';
import { compilePaths, type PathSet } from './path-patterns.ts';
import { PlanMaker } from './plans.ts';
import { Shared } from './shared.ts';
import { compileConditions } from './value.ts';

/** About a tenth of a millisecond of work, so that requests in flight do not notice a reload. */
const RULES_PER_SLICE = 100;

/** Compiles a policy in one go: for commands, tests and small policies. */
export function compilePolicy(spec: SandboxSpec): CompiledPolicy {
  const slices = compileInSlices(spec);
  for (;;) {
    const slice = slices.next();
    if (slice.done === true) return slice.value;
  }
}

/**
 * Compiles a policy and yields after each slice, so that a reload lets the event loop run in between; returns the policy at the end.
 * Only the index of hosts is made here. Rules and plans are compiled when the first of their hosts is asked for.
 */
export function* compileInSlices(spec: SandboxSpec): Generator<void, CompiledPolicy, void> {
  const index = new HostIndex();
  const misplacedByToken = new Map<string, Misplaced>();
  for (const [position, rule] of spec.rules.entries()) {
    index.add(rule.hosts, position);
    collectTokens(rule, misplacedByToken);
    if (position % RULES_PER_SLICE === RULES_PER_SLICE - 1) yield;
  }
  const tokens = Array.from(misplacedByToken, ([token, misplaced]): KnownToken => ({ token, misplaced }));
  return assemble(spec, index, new PlanMaker(tokens));
}

/** A token that two rules bind is misplaced as the stricter of them says. */
function collectTokens(rule: RuleSpec, misplacedByToken: Map<string, Misplaced>): void {
  for (const injection of rule.inject) {
    if (injection.kind !== 'placeholder') continue;
    const known = misplacedByToken.get(injection.token);
    misplacedByToken.set(injection.token, stricterOf(known ?? 'pass', injection.misplaced));
  }
}

const STRICTNESS: readonly Misplaced[] = ['pass', 'deny', 'quarantine'];

const stricterOf = (one: Misplaced, other: Misplaced): Misplaced =>
  STRICTNESS.indexOf(one) > STRICTNESS.indexOf(other) ? one : other;

function assemble(spec: SandboxSpec, index: HostIndex, plans: PlanMaker): CompiledPolicy {
  const groupByKey = new Map<string, HostRules>();
  const ruleAt = rulesByPosition(spec.rules);
  return {
    sandbox: spec.name,
    default: spec.default,
    mode: spec.mode,
    introspect: spec.introspect,
    rules: spec.rules,
    bare: plans.bare,
    rulesFor(host) {
      const key = index.keyOf(host);
      if (key === null) return null;
      const known = groupByKey.get(key);
      if (known !== undefined) return known;
      const made = new HostGroup(index.positionsOf(key).map(ruleAt), plans);
      groupByKey.set(key, made);
      return made;
    },
    subnets: compileSubnets(spec.subnets),
  };
}

/** Compiles a rule the first time that it is asked for: a rule with a thousand hosts is compiled once. */
function rulesByPosition(specs: readonly RuleSpec[]): (position: number) => CompiledRule {
  const ruleByPosition = new Map<number, CompiledRule>();
  const parts: SharedParts = { methods: new Shared(), paths: new Shared() };
  return (position) => {
    const known = ruleByPosition.get(position);
    if (known !== undefined) return known;
    const made = compileRule(specs[position], position, parts);
    ruleByPosition.set(position, made);
    return made;
  };
}

interface SharedParts {
  readonly methods: Shared<ReadonlySet<string>>;
  readonly paths: Shared<PathSet>;
}

function compileRule(spec: RuleSpec | undefined, index: number, parts: SharedParts): CompiledRule {
  if (spec === undefined) throw new RangeError(`there is no rule ${index}`);
  const { place, name, methods, paths, action } = spec;
  return {
    index,
    label: name ?? `${place.file}:${place.line}`,
    place,
    spec,
    methods: methods === null ? null : parts.methods.of(methods.join(), () => new Set(methods)),
    paths: paths === null ? null : parts.paths.of(`${action} ${paths.join(' ')}`, () => compilePaths(paths, action)),
    query: compileConditions(spec.query, (text) => text),
    headers: compileConditions(spec.headers, fieldText),
  };
}

function compileSubnets(spec: SubnetsSpec): CompiledPolicy['subnets'] {
  return {
    spec,
    allow: spec.allow.map(({ cidr, ports, place }) => ({
      cidr: mustParse(cidr),
      ports: new Set(ports ?? RAW_PORTS),
      place,
    })),
    deny: spec.deny.map(({ cidr }) => mustParse(cidr)),
  };
}

/** SEMANTICS.md 3: `subnets.allow` without `ports` is these. */
const RAW_PORTS: readonly number[] = Object.values(DEFAULT_PORTS);

function mustParse(text: string): Cidr {
  const reading = parseCidr(text);
  if (!reading.ok) throw new TypeError(`a validated policy holds the block ${text}, which ${reading.why}`);
  return reading.cidr;
}
