import { type FieldList, field, without } from '../headers/field-list.ts';
import { applyPlan } from '../inject/apply.ts';
import { needlesFor } from '../inject/open.ts';
import type { Plan } from '../inject/plan.ts';
import { askingForReadable } from '../scrub/accept-encoding.ts';
import type { Needles } from '../scrub/needles.ts';
import type { Vault } from '../secrets/secret.ts';
import type { Passing } from './decide-request.ts';
import type { Flight } from './flight.ts';
import type { OutgoingBody } from './prepare-body.ts';
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
  readonly body: OutgoingBody;
  /** What is masked in the answer; null: nothing. */
  readonly needles: Needles | null;
}

/** Applies the plan of the decision. Throws `SECRET_UNAVAILABLE`, `PLACEHOLDER_MISUSE`. */
export function injectInto(
  received: Received,
  decision: Passing,
  body: OutgoingBody,
  vault: Vault,
  flight: Flight,
): Outgoing {
  const { plan } = decision;
  const needles = needlesFor(plan, vault);
  const own = withLengthOf(body, flight.facts.fields, received.chunked);
  const fields = needles === null ? own : askingForReadable(own);
  if (plan.empty) return { received, decision, plan, target: received.target.resource, fields, body, needles };
  const applied = applyPlan({ target: received.target.resource, fields }, plan, vault);
  flight.record.injected = applied.injected;
  const { target } = applied;
  return { received, decision, plan, target, fields: withVia(applied.fields, plan, received), body, needles };
}

/** RFC 9110 section 7.6.3: the version is that of the message as it came. */
const withVia = (fields: FieldList, { via }: Plan, { head }: Received): FieldList =>
  via ? [...fields, field('Via', `${head.version} postern`)] : fields;

/** Content-Length as the body leaves, where swapping has changed it. */
function withLengthOf(body: OutgoingBody, fields: FieldList, wasChunked: boolean): FieldList {
  const { length, chunked } = body;
  if (length !== null)
    return fields.map((each) => (each.lower === 'content-length' ? field(each.name, String(length)) : each));
  return chunked && !wasChunked ? without(fields, 'content-length') : fields;
}
