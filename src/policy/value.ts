import { compileGlob, type Glob, globMatches } from './glob.ts';
import type { ConditionSpec } from './model.ts';
import { NONE } from './shared.ts';

/** What is known of a condition. An allow rule needs `yes`; a deny rule matches on `doubt` too (contract promise 3). */
export type Truth = 'yes' | 'doubt' | 'no';

/** A query or header condition, ready to be asked. */
export interface ValueCondition {
  readonly name: string;
  /** The value must be exactly this; null where `glob` says how it must be. */
  readonly exact: string | null;
  readonly glob: Glob | null;
}

/**
 * Compiles conditions of a rule.
 * @param textOf how the values of the place are spelled: as they are (a decoded query), or UTF-8 bytes as latin1 (field values).
 */
export const compileConditions = (
  specs: readonly ConditionSpec[],
  textOf: (text: string) => string,
): readonly ValueCondition[] => (specs.length === 0 ? NONE : specs.map((spec) => compileCondition(spec, textOf)));

function compileCondition({ name, value }: ConditionSpec, textOf: (text: string) => string): ValueCondition {
  if ('exact' in value) return { name, exact: textOf(value.exact), glob: null };
  if (!value.glob.includes('*')) return { name, exact: textOf(value.glob), glob: null };
  return { name, exact: null, glob: compileGlob(textOf(value.glob)) };
}

/** Whether a value is as the condition wants it. */
export const valueHolds = (condition: ValueCondition, value: string): boolean =>
  condition.glob === null ? value === condition.exact : globMatches(condition.glob, value);
