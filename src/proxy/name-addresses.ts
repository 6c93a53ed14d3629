import { type Ip, parseIp } from '../address/ip.ts';
import type { ListenAddress } from '../address/listen-address.ts';
import { ProxyError } from '../errors.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import type { NameDecision } from '../policy/names.ts';
import type { Listeners } from '../runtime/settings.ts';
import type { Snapshot } from '../runtime/snapshot.ts';
import { parentFor } from '../upstream/way.ts';
import type { Services } from './services.ts';

/** A name that is to be looked up for a sandbox. */
export interface Lookup {
  readonly host: string;
  readonly sandbox: string;
  readonly policy: CompiledPolicy;
  readonly snapshot: Snapshot;
  readonly services: Services;
}

/**
 * What every allowed name is answered with where connections are redirected: the proxy's own addresses, at which its transparent listeners are. Null
 * where none is.
 */
export function ownAddresses({ transparent, dnsAnswers }: Listeners, listener: ListenAddress): readonly Ip[] | null {
  if (transparent.length === 0) return null;
  const texts = dnsAnswers.length > 0 ? dnsAnswers : [listener.kind === 'tcp' ? listener.host : ''];
  return texts.map(parseIp).filter((ip) => ip !== null);
}

/**
 * The addresses of a name, as the resolver has them, without those that the sandbox could not reach. Throws `DNS_FAILED`; `ADDRESS_DENIED` where none
 * is left; `RATE_LIMITED` and `OVERLOADED` for more questions than a sandbox may have asked for it.
 */
export async function addressesOf(
  { host, sandbox, policy, snapshot, services }: Lookup,
  { port, claim }: Exclude<NameDecision, { readonly effect: 'deny' }>,
): Promise<readonly Ip[]> {
  if (parentFor(host, snapshot) !== null)
    throw failed('the host is reached through the parent proxy, and its name is not resolved here');
  // It may be nobody's to ask: what is sent there goes elsewhere.
  if (claim === 'forward') throw failed('what is sent to the host is forwarded, and its name is not looked up');
  const { resolver } = snapshot;
  const ips =
    resolver.known(host) ?? (await services.lookups.within(sandbox, async () => await resolver.resolve(host)));
  let reason = '';
  const allowed = ips.filter((ip) => {
    const verdict = snapshot.addresses.judge(ip, port, claim, policy);
    if (!verdict.ok) reason = verdict.reason;
    return verdict.ok;
  });
  if (allowed.length > 0) return allowed;
  throw new ProxyError('ADDRESS_DENIED', { stage: 'resolve', side: 'client', reason: `${host}: ${reason}` });
}

const failed = (reason: string): ProxyError =>
  new ProxyError('DNS_FAILED', { stage: 'resolve', side: 'proxy', reason });
