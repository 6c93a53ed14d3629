import { ProxyError } from '../errors.ts';
import { requestWithoutHopByHop } from '../headers/hop-by-hop.ts';
import { decide, decideFor, forwardOf } from '../policy/decide.ts';
import type { Decision, Denial, RequestFacts } from '../policy/decision.ts';
import type { Flight } from './flight.ts';
import type { Standing } from './passage.ts';
import type { Received } from './receive.ts';
import { policyOf } from './standing.ts';

/** A decision that lets the request pass. */
export type Passing = Exclude<Decision, { readonly effect: 'deny' }>;

/** Asks the policy, and notes on the record what it said. Throws the denial. */
export function decideRequest(received: Received, standing: Standing, flight: Flight): Passing {
  const facts = factsOf(received);
  const policy = policyOf(standing.sandbox);
  const decision = standing.host === null ? decide(policy, facts) : decideFor(policy, standing.host.rules, facts);
  const { record } = flight;
  flight.decidedOn(facts, decision.rule);
  record.rule = decision.rule?.label ?? null;
  record.decision = decision.effect;
  if (decision.effect === 'deny') throw denied(decision);
  flight.forward = forwardOf(decision);
  if (decision.effect === 'would-deny') {
    record.code = decision.code;
    record.reason = decision.reason;
  }
  return decision;
}

function factsOf({ head, target, websocketKey }: Received): RequestFacts {
  return {
    method: head.method,
    scheme: target.scheme,
    host: target.host,
    port: target.port,
    path: target.path,
    query: target.query,
    fields: requestWithoutHopByHop(head.fields),
    websocket: websocketKey !== null,
  };
}

export function denied(denial: Denial): ProxyError {
  const hint = denial.hint === undefined ? {} : { hint: denial.hint };
  return new ProxyError(denial.code, { stage: 'decide', side: 'client', reason: denial.reason, ...hint });
}
