import type { FieldList } from '../headers/field-list.ts';
import type { Vault } from '../secrets/secret.ts';
import { editFields } from './fields.ts';
import { additionsOf, Opener } from './open.ts';
import type { Plan } from './plan.ts';
import { Swapper } from './swap.ts';
import { editTarget } from './target.ts';
import { tokenIndexOf } from './tokens.ts';

/** The part of a request that a plan changes. */
export interface Outgoing {
  /** In origin-form as it came: path and query. */
  readonly target: string;
  /** After hop-by-hop and nominated fields are gone. */
  readonly fields: FieldList;
}

export interface Injected extends Outgoing {
  /** Names of the secrets that were put in, each once. */
  readonly injected: readonly string[];
}

const NONE: readonly string[] = [];

/**
 * The request as it leaves (SEMANTICS.md 6 and 7). Throws `SECRET_UNAVAILABLE` if a secret that has to go in could not be had, and
 * `PLACEHOLDER_MISUSE` if a placeholder was found where the rule does not bind it; both before anything is sent.
 */
export function applyPlan(request: Outgoing, plan: Plan, vault: Vault): Injected {
  if (plan.empty) return { target: request.target, fields: request.fields, injected: NONE };
  const additions = additionsOf(plan, vault);
  const tokens = tokenIndexOf(plan.tokens);
  const opener = tokens === null ? null : new Opener(vault);
  const swapper = tokens === null || opener === null ? null : new Swapper(plan, tokens, opener);
  const target = editTarget(request.target, { parameters: plan.query, added: additions.query, swapper });
  const fields = editFields(request.fields, plan, additions, swapper);
  return { target, fields, injected: namesOf(additions.secrets, opener?.opened ?? NONE) };
}

/** Names of secrets that were added and of those that were swapped in, each once. */
function namesOf(added: readonly string[], swapped: readonly string[]): readonly string[] {
  return swapped.length === 0 ? added : [...new Set([...added, ...swapped])];
}
