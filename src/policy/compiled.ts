import type { Cidr } from '../address/cidr.ts';
import type { Plan } from '../inject/plan.ts';

import type { Place, RuleSpec, SubnetsSpec } from './model.ts';
import type { PathSet } from './path-patterns.ts';
import type { ValueCondition } from './value.ts';

/** A rule ready to be matched. Made when the first of its hosts is asked for, since most rules of a large policy never are. */
export interface CompiledRule {
  /** Position in the sandbox's merged rule list; the lower one decides. */
  readonly index: number;
  /** The rule's name, or `file:line` without one: the `rule` of the audit line and of metrics. */
  readonly label: string;
  readonly place: Place;
  readonly spec: RuleSpec;
  readonly methods: ReadonlySet<string> | null;
  readonly paths: PathSet | null;
  readonly query: readonly ValueCondition[];
  readonly headers: readonly ValueCondition[];
}

/**
 * Every rule that names one host, in order, with what is true of the host as a whole. A connection looks it up once and keeps it.
 * Hosts that only a wildcard names share one object, so there are never more of them than the policy has patterns.
 */
export interface HostRules {
  readonly rules: readonly CompiledRule[];
  /** Some rule of the host has `paths` or `forward`: ambiguous paths are refused. */
  readonly hasPaths: boolean;
  /** Some rule of the host has `methods`, `paths` or `forward`: method- and URL-override fields are removed. */
  readonly hasMethodsOrPaths: boolean;
  /** Some rule of the host has `encoded_slash: true`: a path with `%2F` is judged instead of refused. */
  readonly takesEncodedSlash: boolean;
  /** For what passes on this host without a rule (`mode: observe`): nothing is added. */
  readonly bare: Plan;
  /** What the rule at that position of `rules` changes in a request to this host. */
  planAt(position: number): Plan;
}

/** The policy of one sandbox in one generation. */
export interface CompiledPolicy {
  readonly sandbox: string;
  readonly default: 'deny' | 'allow';
  readonly mode: 'enforce' | 'observe';
  readonly introspect: boolean;
  /** As read, in order; `rulesFor` compiles those of a host when they are asked for. */
  readonly rules: readonly RuleSpec[];
  /** For what passes to a host that no rule names (`default: allow`, `mode: observe`): nothing added, misplaced placeholders still found. */
  readonly bare: Plan;
  /** The rules that name this canonical host; null where none does (then `default` speaks). Storage is bounded by the policy, not by who asks. */
  rulesFor(host: string): HostRules | null;
  readonly subnets: {
    readonly spec: SubnetsSpec;
    readonly allow: readonly { readonly cidr: Cidr; readonly ports: ReadonlySet<number>; readonly place: Place }[];
    readonly deny: readonly Cidr[];
  };
}
