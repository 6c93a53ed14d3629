import type { FieldList } from '../headers/field-list.ts';
import { applyPlan } from '../inject/apply.ts';
import type { Plan } from '../inject/plan.ts';
import type { Vault } from '../secrets/secret.ts';
import type { Passing } from './decide-request.ts';
import type { Flight } from './flight.ts';
import type { Received } from './receive.ts';

/** The request as the upstream will see it. */
export interface Outgoing {
  readonly received: Received;
  readonly decision: Passing;
  readonly plan: Plan;
  /** Origin-form, after swaps and injected parameters. */
  readonly target: string;
  /** End-to-end fields, ours included; framing and Connection are the connection's. */
  readonly fields: FieldList;
}

/** Applies the plan of the decision. Throws `SECRET_UNAVAILABLE`, `PLACEHOLDER_MISUSE`. */
export function injectInto(received: Received, decision: Passing, vault: Vault, flight: Flight): Outgoing {
  const { plan } = decision;
  const fields = flight.facts.fields;
  if (plan.empty) return { received, decision, plan, target: received.target.resource, fields };
  const applied = applyPlan({ target: received.target.resource, fields }, plan, vault);
  flight.record.injected = applied.injected;
  return { received, decision, plan, target: applied.target, fields: applied.fields };
}
