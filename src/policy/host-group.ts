import type { Plan } from '../inject/plan.ts';
import type { CompiledRule, HostRules } from './compiled.ts';
import { credentialFieldsOf, type HostTraits, type PlanMaker, secretsOf } from './plans.ts';
import { NONE } from './shared.ts';

/** The rules of the hosts that one pattern settles; plans are made when a rule first decides, and kept. */
export class HostGroup implements HostRules {
  readonly rules: readonly CompiledRule[];
  readonly hasPaths: boolean;
  readonly hasMethodsOrPaths: boolean;
  readonly takesEncodedSlash: boolean;
  readonly bare: Plan;
  readonly #plans: PlanMaker;
  readonly #traits: HostTraits;
  readonly #planByPosition: (Plan | undefined)[];

  constructor(rules: readonly CompiledRule[], plans: PlanMaker) {
    this.rules = rules;
    // The path of a `forward` is a fence too: a dot segment behind it would leave it.
    this.hasPaths = rules.some((rule) => rule.paths !== null || rule.spec.forward !== null);
    this.hasMethodsOrPaths = this.hasPaths || rules.some((rule) => rule.methods !== null);
    this.takesEncodedSlash = rules.some((rule) => rule.spec.encodedSlash);
    this.#plans = plans;
    this.#planByPosition = new Array<Plan | undefined>(rules.length);
    this.#traits = {
      hasMethodsOrPaths: this.hasMethodsOrPaths,
      credentialFields: credentialFields(rules),
      secrets: plans.sharedNames(secretsOf(rules.flatMap(({ spec }) => spec.inject))),
    };
    this.bare = plans.bareFor(this.#traits);
  }

  planAt(position: number): Plan {
    const known = this.#planByPosition[position];
    if (known !== undefined) return known;
    const rule = this.rules[position];
    if (rule === undefined) throw new RangeError(`there is no rule ${position} of this host`);
    const made = this.#plans.forRule(rule.spec, this.#traits);
    this.#planByPosition[position] = made;
    return made;
  }
}

function credentialFields(rules: readonly CompiledRule[]): readonly string[] {
  const names = new Set<string>();
  for (const rule of rules)
    for (const each of rule.spec.inject) for (const name of credentialFieldsOf(each)) names.add(name);
  return names.size === 0 ? NONE : [...names].sort();
}
