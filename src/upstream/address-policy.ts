import type { CompiledPolicy } from '../policy/compiled.ts';
import type { Ip } from '../address/ip.ts';

/** Who asks for an address: a host that a rule names, a host that only `default: allow` or `observe` lets pass, or a literal of `subnets.allow`. */
export type Claim = 'named' | 'unnamed' | 'subnet';

export type AddressVerdict = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** What may be dialled in this generation (SEMANTICS.md 3): address classes, `allow_addresses`, `subnets.deny`, our own listeners. */
export interface AddressPolicy {
  judge(ip: Ip, port: number, claim: Claim, policy: CompiledPolicy): AddressVerdict;
}
