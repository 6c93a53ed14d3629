import type { CompiledPolicy, CompiledRule } from '../policy/compiled.ts';
import type { LimitsSpec } from '../policy/model.ts';
import { Budget, type Clock, type Use } from './budget.ts';

/** The policies of a generation by sandbox, as far as budgets need to know. */
type Sandboxes = ReadonlyMap<string, { readonly policy: CompiledPolicy | null }>;

export interface RuleUse extends Use {
  readonly rule: string;
}

/**
 * The budgets of the process by sandbox and rule (SEMANTICS.md 11). One is made when its rule first decides, so there are never more than
 * the policies have rules with limits; it stays over reloads as long as sandbox and rule do, and is gone with the process.
 */
export class Ledger {
  readonly #clock: Clock;
  readonly #byRuleBySandbox = new Map<string, Map<string, Budget>>();

  constructor(clock: Clock = () => performance.now()) {
    this.#clock = clock;
  }

  /** The budget of a rule that has these limits. */
  of(sandbox: string, { label }: CompiledRule, limits: LimitsSpec): Budget {
    const known = this.#byRuleBySandbox.get(sandbox)?.get(label);
    if (known !== undefined) return known;
    const made = new Budget(limits, this.#clock);
    const byRule = this.#byRuleBySandbox.get(sandbox) ?? new Map<string, Budget>();
    this.#byRuleBySandbox.set(sandbox, byRule.set(label, made));
    return made;
  }

  /**
   * A new generation is in force: budgets of rules that it does not have, or that have no limits any more, are forgotten, and the others get
   * the limits that it gives them. What is in flight keeps the budget that it entered, forgotten or not.
   */
  follow(next: Sandboxes, previous: Sandboxes): void {
    for (const [sandbox, byRule] of this.#byRuleBySandbox) {
      const policy = next.get(sandbox)?.policy ?? null;
      if (policy !== null && policy === previous.get(sandbox)?.policy) continue;
      const limitsByRule = limitsIn(policy);
      for (const [rule, budget] of byRule) {
        const limits = limitsByRule.get(rule);
        if (limits === undefined) byRule.delete(rule);
        else budget.changeTo(limits);
      }
      if (byRule.size === 0) this.#byRuleBySandbox.delete(sandbox);
    }
  }

  /** What the rules of a sandbox used, those that decided since they have limits. */
  uses(sandbox: string): readonly RuleUse[] {
    const byRule = this.#byRuleBySandbox.get(sandbox) ?? new Map<string, Budget>();
    return Array.from(byRule, ([rule, budget]) => ({ rule, ...budget.use() }));
  }
}

function limitsIn(policy: CompiledPolicy | null): ReadonlyMap<string, LimitsSpec> {
  const limitsByRule = new Map<string, LimitsSpec>();
  for (const { name, limits } of policy?.rules ?? []) {
    if (name !== null && limits !== null) limitsByRule.set(name, limits);
  }
  return limitsByRule;
}
