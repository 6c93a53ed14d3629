import { formatIp, type Ip, parseIp, unmapped } from './ip.ts';

/** A block of addresses in canonical form: `10.0.0.0/8`, `fd00::/8`. */
export interface Cidr {
  readonly text: string;
  readonly family: 4 | 6;
  readonly prefix: number;
  /** Whether the address lies in the block. A v4-mapped address counts as its IPv4 address, since that is what is dialled. */
  contains(ip: Ip): boolean;
}

export type CidrReading =
  | { readonly ok: true; readonly cidr: Cidr }
  /** `why` is a predicate ("has bits after the prefix"); `canonical` is what to write, where that is certain. */
  | { readonly ok: false; readonly why: string; readonly canonical?: string };

const PREFIX_LENGTH = /^(?:0|[1-9][0-9]{0,2})$/;

/** Reads `address/prefix` in canonical form; an address alone is its own block (/32 or /128). */
export function parseCidr(text: string): CidrReading {
  const slash = text.indexOf('/');
  const address = slash === -1 ? text : text.slice(0, slash);
  const ip = parseIp(address);
  if (ip === null) return { ok: false, why: whyNoAddress(address) };
  const bits = ip.bytes.length * 8;
  const prefix = slash === -1 ? bits : prefixOf(text.slice(slash + 1));
  if (prefix === null || prefix > bits) {
    return { ok: false, why: `has no valid prefix length; write a number from 0 to ${bits} after the slash` };
  }
  if (unmapped(ip) !== ip) return mapped(ip, prefix);
  const canonical = textOf(masked(ip.bytes, prefix), prefix, slash !== -1);
  if (canonical === text) return { ok: true, cidr: cidrOf(ip.bytes, prefix) };
  const why = ip.text === address ? 'has bits set after the prefix' : 'is not in canonical form';
  return { ok: false, why, canonical };
}

/** Refuses a v4-mapped block: it names IPv4 addresses, so it is to be written as the IPv4 block. */
function mapped(ip: Ip, prefix: number): CidrReading {
  const why = 'names IPv4 addresses in IPv6 form';
  if (prefix < 96) return { ok: false, why: `${why}; write the IPv4 block` };
  const inner = unmapped(ip).bytes;
  return { ok: false, why, canonical: textOf(masked(inner, prefix - 96), prefix - 96, true) };
}

function whyNoAddress(address: string): string {
  if (address.startsWith('[')) return 'has brackets; write the address without them';
  if (address.includes('%')) return 'has a zone; write the address without it';
  return 'is not an address block; write e.g. "10.0.0.0/8" or "fd00::/8"';
}

function cidrOf(bytes: Uint8Array, prefix: number): Cidr {
  const family = bytes.length === 4 ? 4 : 6;
  return {
    text: `${formatIp(bytes)}/${prefix}`,
    family,
    prefix,
    contains(ip) {
      const address = unmapped(ip);
      return address.family === family && sharesPrefix(bytes, address.bytes, prefix);
    },
  };
}

/** Whether the first `prefix` bits of both are the same; both have the same length. */
export function sharesPrefix(one: Uint8Array, other: Uint8Array, prefix: number): boolean {
  const whole = prefix >> 3;
  for (let index = 0; index < whole; index++) if (one[index] !== other[index]) return false;
  const rest = prefix & 7;
  if (rest === 0) return true;
  return (((one[whole] ?? 0) ^ (other[whole] ?? 0)) & (0xff << (8 - rest)) & 0xff) === 0;
}

const prefixOf = (text: string): number | null => (PREFIX_LENGTH.test(text) ? Number(text) : null);

const textOf = (bytes: Uint8Array, prefix: number, withPrefix: boolean): string =>
  withPrefix ? `${formatIp(bytes)}/${prefix}` : formatIp(bytes);

const masked = (bytes: Uint8Array, prefix: number): Uint8Array =>
  bytes.map((byte, index) => {
    const bits = Math.min(8, Math.max(0, prefix - index * 8));
    return byte & (0xff << (8 - bits)) & 0xff;
  });
