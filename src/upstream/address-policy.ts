import type { Ip } from '../address/ip.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import type { Claim } from '../policy/decision.ts';

export type { Claim } from '../policy/decision.ts';

export type AddressVerdict = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** What may be dialled in this generation (SEMANTICS.md 3): address classes, `allow_addresses`, `subnets.deny`, our own listeners. */
export interface AddressPolicy {
  judge(ip: Ip, port: number, claim: Claim, policy: CompiledPolicy): AddressVerdict;
}
