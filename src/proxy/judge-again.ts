import { parseIp } from '../address/ip.ts';
import { ProxyError, toProxyError } from '../errors.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import { claimOf, decide } from '../policy/decide.ts';
import type { Claim } from '../policy/decision.ts';
import type { Snapshot } from '../runtime/snapshot.ts';
import type { H1Upstream } from '../upstream/h1-upstream.ts';
import { denied } from './decide-request.ts';
import type { Flight } from './flight.ts';
import type { Passage } from './passage.ts';
import { identify, policyOf } from './standing.ts';

/** Judges a request that runs under another generation (SEMANTICS.md 10); null if it may go on. */
export function judgeFlight(flight: Flight, passage: Passage, next: Snapshot): ProxyError | null {
  if (!flight.decided) return null;
  try {
    const policy = policyAgain(passage, next, flight.record.sandbox);
    const decision = decide(policy, flight.facts);
    if (decision.effect === 'deny') return denied(decision);
    // What was swapped or injected into a handshake cannot be taken back from a WebSocket that goes on for hours.
    if (flight.upgraded && !sameBindings(flight.rule?.spec.inject, decision.rule?.spec.inject)) return changed();
    const judge = ({ ip, origin }: H1Upstream): ProxyError | null =>
      judgeAddress(ip, origin.port, claimOf(decision), policy, next);
    if (flight.upstream !== null) return judge(flight.upstream);
    flight.judgeUpstream(judge);
    return null;
  } catch (thrown) {
    return toProxyError(thrown, 'decide');
  }
}

/** The policy of the sandbox that the evidence still makes the client. Throws if it is none, or another. */
export function policyAgain(passage: Passage, next: Snapshot, was: string | null): CompiledPolicy {
  const sandbox = identify(next, passage.evidence);
  if (was !== null && sandbox.name !== was) {
    throw new ProxyError('IDENTITY_CONFLICT', {
      stage: 'identify',
      side: 'client',
      reason: 'the client is another sandbox now',
    });
  }
  return policyOf(sandbox);
}

/** Whether an address that was dialled may still be held. */
export function judgeAddress(
  address: string,
  port: number,
  claim: Claim,
  policy: CompiledPolicy,
  next: Snapshot,
): ProxyError | null {
  const ip = parseIp(address);
  if (ip === null) return null;
  const verdict = next.addresses.judge(ip, port, claim, policy);
  return verdict.ok
    ? null
    : new ProxyError('ADDRESS_DENIED', { stage: 'resolve', side: 'client', reason: verdict.reason });
}

const sameBindings = (before: unknown, after: unknown): boolean =>
  JSON.stringify(before ?? []) === JSON.stringify(after ?? []);

const changed = (): ProxyError =>
  new ProxyError('RULE_DENIED', { stage: 'decide', side: 'client', reason: 'the bindings of this WebSocket changed' });
