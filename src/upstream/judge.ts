import { type Ip, parseIp } from '../address/ip.ts';
import { ProxyError } from '../errors.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import type { AddressPolicy, Claim } from './address-policy.ts';
import type { HostResolver } from './resolver.ts';

/** Who wants to go where. */
export interface Destination {
  /** Canonical; IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
  readonly claim: Claim;
  readonly policy: CompiledPolicy;
}

/**
 * The addresses of a host that may be dialled, in the order of the answer: the forbidden ones are dropped, none left is `ADDRESS_DENIED`
 * (SEMANTICS.md 3). A promise only where DNS must be asked.
 */
export function judgedAddresses(
  destination: Destination,
  resolver: HostResolver,
  addresses: AddressPolicy,
): readonly Ip[] | Promise<readonly Ip[]> {
  const literal = parseIp(destination.host.replace(/^\[|\]$/g, ''));
  if (literal !== null) return judged([literal], destination, addresses);
  const answer = resolver.resolve(destination.host);
  if (answer instanceof Promise) return answer.then((ips) => judged(ips, destination, addresses));
  return judged(answer, destination, addresses);
}

function judged(ips: readonly Ip[], destination: Destination, addresses: AddressPolicy): readonly Ip[] {
  const { port, claim, policy } = destination;
  let reason = '';
  const allowed = ips.filter((ip) => {
    const verdict = addresses.judge(ip, port, claim, policy);
    if (!verdict.ok) reason = verdict.reason;
    return verdict.ok;
  });
  if (allowed.length > 0) return allowed;
  throw new ProxyError('ADDRESS_DENIED', {
    stage: 'resolve',
    side: 'client',
    reason: `${destination.host}: ${reason}`,
  });
}
