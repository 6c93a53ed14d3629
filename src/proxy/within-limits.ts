import type { ExchangeRecord } from '../observe/record.ts';
import type { CompiledRule } from '../policy/compiled.ts';
import { Allowance, bodyTooLarge } from './allowance.ts';
import type { Passing } from './decide-request.ts';
import type { Flight } from './flight.ts';
import type { Received } from './receive.ts';
import type { Services } from './services.ts';

/**
 * Lets an allowed request in by the limits of its rule, before anything is resolved or dialled for it (SEMANTICS.md 11). Throws
 * `BODY_TOO_LARGE`, `RATE_LIMITED`. A body that declares more than is left would be cut in the middle, so it is refused before it begins.
 */
export function withinLimits(
  received: Received,
  decision: Passing,
  sandbox: string,
  services: Services,
  flight: Flight,
): void {
  const { rule } = decision;
  // What `mode: observe` lets pass, it lets pass although no rule allows it.
  if (rule === null || rule.spec.limits === null || decision.effect !== 'allow') return;
  const { limits } = rule.spec;
  const declared = received.declaredBytes ?? 0;
  if (limits.bodyBytesMax !== null && declared > limits.bodyBytesMax)
    throw bodyTooLarge(limits, flight.record, 'decide');
  const budget = services.ledger.of(sandbox, rule, limits);
  flight.allowance = new Allowance(budget, limits, declared, flight.record);
}

/** The same for an opaque tunnel; null if its rule has no limits. */
export function tunnelWithinLimits(
  rule: CompiledRule | null,
  sandbox: string,
  services: Services,
  record: ExchangeRecord,
): Allowance | null {
  if (rule === null || rule.spec.limits === null || rule.spec.action === 'deny') return null;
  const { limits } = rule.spec;
  return new Allowance(services.ledger.of(sandbox, rule, limits), limits, 0, record);
}
