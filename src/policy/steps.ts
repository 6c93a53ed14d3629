import type { Code } from '../errors.ts';
import type { ConditionName } from './match.ts';

/** The codes of policy denials, from the first step to the furthest (DESIGN.md section 5). */
const STEPS = ['HOST_DENIED', 'METHOD_DENIED', 'PATH_DENIED', 'RULE_DENIED'] as const satisfies readonly Code[];
export type Step = (typeof STEPS)[number];

/** The step at which a rule stops that does not meet this condition. */
export const STEP_BY_CONDITION: Readonly<Record<ConditionName, Step>> = {
  scheme: 'HOST_DENIED',
  port: 'HOST_DENIED',
  method: 'METHOD_DENIED',
  path: 'PATH_DENIED',
  query: 'RULE_DENIED',
  headers: 'RULE_DENIED',
};

/** The later of two steps. */
export const further = (one: Step, other: Step): Step => (STEPS.indexOf(one) < STEPS.indexOf(other) ? other : one);
