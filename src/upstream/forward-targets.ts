import { type Cidr, parseCidr } from '../address/cidr.ts';

/** One entry of `forward_to` (SEMANTICS.md 13): where rules may forward to. Plain data, canonical. */
export interface ForwardTarget {
  readonly host: string;
  readonly ports: readonly number[];
  /** The only blocks that the host may be at; null: public space. */
  readonly addresses: readonly string[] | null;
}

/** A host and port that requests may be forwarded to, and its blocks; `blocks` null: public space. */
export interface ForwardPlace {
  readonly blocks: readonly Cidr[] | null;
}

/** Entries by `host:port`. Throws a TypeError for a block that is not canonical (settings are validated before). */
export function forwardPlaces(targets: readonly ForwardTarget[]): ReadonlyMap<string, ForwardPlace> {
  return new Map(
    targets.flatMap(({ host, ports, addresses }) => {
      const place = { blocks: addresses?.map(mustParse) ?? null };
      return ports.map((port) => [placeKey(host, port), place] as const);
    }),
  );
}

export const placeKey = (host: string, port: number): string => `${host}:${port}`;

function mustParse(text: string): Cidr {
  const reading = parseCidr(text);
  if (!reading.ok) throw new TypeError(`validated settings hold the block ${text}, which ${reading.why}`);
  return reading.cidr;
}
