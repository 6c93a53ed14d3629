import type { Code } from '../errors.ts';
import type { CompiledRule, HostRules } from './compiled.ts';
import { type ConditionName, firstUnmet, type Reading } from './match.ts';

/** The codes of policy denials, from the first step to the furthest (DESIGN.md section 5). */
const STEPS = ['HOST_DENIED', 'METHOD_DENIED', 'PATH_DENIED', 'RULE_DENIED'] as const satisfies readonly Code[];
export type Step = (typeof STEPS)[number];

/** The step at which a rule stops that does not meet this condition. */
const STEP_BY_CONDITION: Readonly<Record<ConditionName, Step>> = {
  scheme: 'HOST_DENIED',
  port: 'HOST_DENIED',
  method: 'METHOD_DENIED',
  path: 'PATH_DENIED',
  query: 'RULE_DENIED',
  headers: 'RULE_DENIED',
};

/** The rules that came nearest to allowing a request, all of which stopped at the same step. */
export interface Nearest {
  readonly step: Step;
  /** In their order; no more than help a reader. */
  readonly rules: readonly CompiledRule[];
}

/** A hint does not list more. */
const RULES_MAX = 12;

/**
 * How far a request came that no rule of its host allows. A deny rule that does not hold has reached nothing: "no DELETE under /admin"
 * is not why a POST elsewhere is refused.
 */
export function nearestRules(host: HostRules, reading: Reading): Nearest {
  let step: Step = 'HOST_DENIED';
  let rules: CompiledRule[] = [];
  for (const rule of host.rules) {
    if (rule.spec.action === 'deny' || rule.spec.tls === 'passthrough') continue;
    const unmet = firstUnmet(rule, reading);
    if (unmet === null) continue;
    const reached = STEP_BY_CONDITION[unmet];
    if (STEPS.indexOf(reached) > STEPS.indexOf(step)) {
      step = reached;
      rules = [];
    }
    if (reached === step && rules.length < RULES_MAX) rules.push(rule);
  }
  return { step, rules };
}
