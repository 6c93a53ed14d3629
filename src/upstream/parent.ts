import { blockHolding } from '../address/blocks.ts';
import { type Cidr, parseCidr } from '../address/cidr.ts';
import { parseIp } from '../address/ip.ts';
import type { Scheme } from '../policy/model.ts';

/** The proxy that upstream connections are made through (`upstream.proxy`). No credential is in it: tunnels keep it for hours. */
export interface Parent {
  /** What is spoken with the parent itself. */
  readonly scheme: Scheme;
  /** Canonical; IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
  /** Equal for the same parent used as the same user: what a connection is known again by after a reload. */
  readonly key: string;
  /** Whether `no_proxy` names the host: then it is dialled directly. */
  exempts(host: string): boolean;
}

export interface ParentOptions extends Pick<Parent, 'scheme' | 'host' | 'port'> {
  readonly username: string | null;
  /** Canonical hosts and `*.suffix`. */
  readonly noProxyHosts: readonly string[];
  /** Canonical blocks; they speak of address literals, since names are not resolved here. */
  readonly noProxyBlocks: readonly string[];
}

export function buildParent({ scheme, host, port, username, ...noProxy }: ParentOptions): Parent {
  const exact = new Set(noProxy.noProxyHosts);
  const suffixes = noProxy.noProxyHosts.filter((each) => each.startsWith('*.')).map((each) => each.slice(1));
  const blocks = noProxy.noProxyBlocks.map(mustParse);
  const key = `${scheme}://${host}:${port} ${username ?? ''}`;
  const exempts = (name: string): boolean => {
    const ip = parseIp(name.replace(/^\[|\]$/g, ''));
    if (ip !== null) return blockHolding(blocks, ip) !== null;
    return exact.has(name) || suffixes.some((suffix) => name.endsWith(suffix));
  };
  return { scheme, host, port, key, exempts };
}

function mustParse(text: string): Cidr {
  const reading = parseCidr(text);
  if (!reading.ok) throw new TypeError(`validated settings hold the block ${text}, which ${reading.why}`);
  return reading.cidr;
}
