import type { Cidr } from '../address/cidr.ts';
import type { Plan } from '../inject/plan.ts';
import type { Place, RuleSpec, SubnetsSpec } from './model.ts';

/** A rule ready to be matched: every test is a set, a number or a closure made once. */
export interface CompiledRule {
  /** Position in the sandbox's merged rule list; the lower one decides. */
  readonly index: number;
  /** The rule's name, or `file:line` without one: the `rule` of the audit line and of metrics. */
  readonly label: string;
  readonly place: Place;
  readonly spec: RuleSpec;
  readonly ports: ReadonlySet<number>;
  readonly methods: ReadonlySet<string> | null;
  /** What leaves in place of the client's request. Deny and passthrough rules have the bare plan, which is never applied. */
  readonly plan: Plan;
}

/**
 * Every rule that names one host, in order, with what is true of the host as a whole.
 * Made once per host and policy, and kept (bounded), so that a request touches only rules that concern it.
 */
export interface HostRules {
  readonly host: string;
  readonly rules: readonly CompiledRule[];
  /** Some rule of the host has `paths`: ambiguous paths are refused. */
  readonly hasPaths: boolean;
  /** Some rule of the host has `methods` or `paths`: method- and URL-override fields are removed. */
  readonly hasMethodsOrPaths: boolean;
}

/** The policy of one sandbox in one generation. */
export interface CompiledPolicy {
  readonly sandbox: string;
  readonly default: 'deny' | 'allow';
  readonly mode: 'enforce' | 'observe';
  readonly introspect: boolean;
  readonly rules: readonly CompiledRule[];
  /** For what passes without a rule (`default: allow`, `observe`): nothing added, misplaced placeholders still found. */
  readonly bare: Plan;
  /** The rules that name this canonical host; null where none does (then `default` speaks). */
  rulesFor(host: string): HostRules | null;
  readonly subnets: {
    readonly spec: SubnetsSpec;
    readonly allow: readonly { readonly cidr: Cidr; readonly ports: ReadonlySet<number>; readonly place: Place }[];
    readonly deny: readonly Cidr[];
  };
}
