import type { Ip } from './ip.ts';

/** A block of addresses in canonical form: `10.0.0.0/8`, `fd00::/8`. */
export interface Cidr {
  readonly text: string;
  readonly family: 4 | 6;
  readonly prefix: number;
  contains(ip: Ip): boolean;
}
