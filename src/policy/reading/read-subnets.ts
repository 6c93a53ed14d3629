import { parseCidr } from '../../address/cidr.ts';
import { below, type PlaceOf, type Site } from '../finding.ts';
import type { SubnetsSpec } from '../model.ts';
import { withCanonical } from './host-patterns.ts';
import { readPorts } from './read-conditions.ts';
import type { RawSubnets } from './schema.ts';

export const NO_SUBNETS: SubnetsSpec = { allow: [], deny: [] };

/** Reads `subnets`, and reports what is wrong with it. */
export function readSubnets(raw: RawSubnets, site: Site, placeOf: PlaceOf): SubnetsSpec {
  const allow = (raw.allow ?? []).flatMap((entry, index) => {
    const at = below(site, 'allow', index);
    const cidr = readBlock(entry.cidr, below(at, 'cidr'));
    const ports = readPorts(entry.ports, below(at, 'ports'));
    return cidr === null ? [] : [{ place: placeOf(at.path, 'value'), cidr, ports }];
  });
  const deny = (raw.deny ?? []).flatMap((text, index) => {
    const at = below(site, 'deny', index);
    const cidr = readBlock(text, at);
    return cidr === null ? [] : [{ place: placeOf(at.path, 'value'), cidr }];
  });
  return { allow, deny };
}

/** Reads a block of addresses as its canonical text; null if it is none, which is reported. */
export function readBlock(text: string, site: Site): string | null {
  const reading = parseCidr(text);
  if (reading.ok) return reading.cidr.text;
  site.report.error(site.path, withCanonical(text, reading));
  return null;
}
