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
  if (tokens === null) return { ...edit(request, plan, additions, null), injected: additions.secrets };
  const opener = new Opener(vault);
  const outgoing = edit(request, plan, additions, new Swapper(plan, tokens, opener));
  return { ...outgoing, injected: [...new Set([...additions.secrets, ...opener.opened])] };
}

function edit(
  { target, fields }: Outgoing,
  plan: Plan,
  additions: ReturnType<typeof additionsOf>,
  swapper: Swapper | null,
): Outgoing {
  return {
    target: editTarget(target, { parameters: plan.query, added: additions.query, swapper }),
    fields: editFields(fields, plan, additions, swapper),
  };
}
