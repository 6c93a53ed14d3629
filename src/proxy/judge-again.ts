import { parseIp } from '../address/ip.ts';
import { ProxyError, toProxyError } from '../errors.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import { claimOf, decide, forwardOf } from '../policy/decide.ts';
import type { Claim } from '../policy/decision.ts';
import { decideTunnel } from '../policy/tunnel.ts';
import type { Snapshot } from '../runtime/snapshot.ts';
import type { Carrier } from '../upstream/carrier.ts';
import { AT_PARENT, type Destination, isAtParent, parentFor, problemThrough, verdictOn } from '../upstream/way.ts';
import { denied } from './decide-request.ts';
import type { Flight } from './flight.ts';
import { forwardClosed } from './forward-way.ts';
import type { Passage, TunnelTarget } from './passage.ts';
import { identify, policyOf } from './standing.ts';

/** Judges a request that runs under another generation (SEMANTICS.md 10); null if it may go on. */
export function judgeFlight(flight: Flight, passage: Passage, next: Snapshot): ProxyError | null {
  if (!flight.decided) return null;
  try {
    const policy = policyAgain(passage, next, flight.record.sandbox);
    const decision = decide(policy, flight.facts);
    if (decision.effect === 'deny') return denied(decision);
    const forward = forwardOf(decision);
    // Sent to one place, it would go on where the policy in force does not send it.
    if (flight.forward?.url !== forward?.url) return elsewhere();
    // What was swapped or injected into a handshake cannot be taken back from a WebSocket that goes on for hours.
    if (flight.upgraded && !sameBindings(flight.rule?.spec.inject, decision.rule?.spec.inject)) return changed();
    const judge = (upstream: Carrier): ProxyError | null => {
      const { host, port } = upstream.origin;
      const problem = judgeHeld(upstream, { host, port, claim: claimOf(decision), policy }, next);
      return problem === null || forward === null ? problem : forwardClosed(problem);
    };
    if (flight.upstream !== null) return judge(flight.upstream);
    flight.judgeUpstream(judge);
    return null;
  } catch (thrown) {
    return toProxyError(thrown, 'decide');
  }
}

/** By what claim an intercepted tunnel would be opened again; null if it would not be. Each request in it is judged on its own besides. */
export function claimAgain(
  { host, port, sandbox }: Pick<TunnelTarget, 'host' | 'port' | 'sandbox'>,
  passage: Passage,
  next: Snapshot,
): Claim | null {
  try {
    const again = decideTunnel(policyAgain(passage, next, sandbox), host, port, 'connect');
    return again.kind === 'intercept' ? again.claim : null;
  } catch {
    return null;
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

/** A connection that is open, and how it got there. */
export type Held = Pick<Carrier, 'ip' | 'parentKey'>;

/**
 * Whether what is open may go on. Where it was dialled directly, its address is judged. What went through a parent is at an address that nobody
 * here knows: it goes on only where the new generation would ask a parent for the same, too.
 */
export function judgeHeld({ ip, parentKey }: Held, destination: Destination, next: Snapshot): ProxyError | null {
  if (parentKey === null) return judgeAddress(ip, destination, next);
  const parent = parentFor(destination.host, next);
  if (parent === null)
    return refused('the host is dialled directly now, and the address that the parent chose is not known');
  const problem = problemThrough(parent, destination, next);
  return problem === null ? null : refused(problem);
}

/** Whether an idle connection is as the new generation would make it: by the same way, to what it allows. */
export function isStillTheWay(held: Held, destination: Destination, next: Snapshot): boolean {
  const parent = parentFor(destination.host, next);
  return held.parentKey === (parent?.key ?? null) && judgeHeld(held, destination, next) === null;
}

function judgeAddress(address: string, destination: Destination, next: Snapshot): ProxyError | null {
  const ip = parseIp(address);
  if (ip === null) return null;
  if (isAtParent(ip, destination.port, next)) return refused(AT_PARENT);
  const verdict = verdictOn(ip, destination, next.addresses);
  return verdict.ok ? null : refused(verdict.reason);
}

const refused = (reason: string): ProxyError =>
  new ProxyError('ADDRESS_DENIED', { stage: 'resolve', side: 'client', reason });

const sameBindings = (before: unknown, after: unknown): boolean =>
  JSON.stringify(before ?? []) === JSON.stringify(after ?? []);

const elsewhere = (): ProxyError =>
  new ProxyError('RULE_DENIED', { stage: 'decide', side: 'client', reason: 'where this request is sent has changed' });

const changed = (): ProxyError =>
  new ProxyError('RULE_DENIED', { stage: 'decide', side: 'client', reason: 'the bindings of this WebSocket changed' });
