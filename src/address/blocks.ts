import type { Cidr } from './cidr.ts';
import { embeddedIpv4 } from './classes.ts';
import type { Ip } from './ip.ts';

/**
 * The first block that holds the address, or the IPv4 address that a NAT64, 6to4 or v4-mapped one leads to: `subnets.deny` of an IPv4
 * block is not walked around by another spelling of it.
 */
export function blockHolding(blocks: readonly Cidr[], ip: Ip): Cidr | null {
  if (blocks.length === 0) return null;
  const inner = embeddedIpv4(ip);
  return blocks.find((block) => block.contains(ip) || (inner !== null && block.contains(inner))) ?? null;
}
