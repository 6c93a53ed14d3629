import { parseAuthority } from '../address/authority.ts';
import { canonicalHost } from '../address/hostname.ts';
import { parseIp } from '../address/ip.ts';
import { below, quote, type Site } from '../policy/finding.ts';
import { withCanonical } from '../policy/reading/host-patterns.ts';
import { absolutePath, type FileBase } from '../policy/reading/read-secrets.ts';
import { readBlock } from '../policy/reading/read-subnets.ts';
import { readParent } from './read-parent.ts';
import type { Settings } from './settings.ts';
import type { RawSettings } from './settings-schema.ts';

type Upstream = Settings['upstream'];

export const NO_UPSTREAM: Upstream = { trust: [], dns: [], hosts: [], allowAddresses: [], proxy: null };

/** Reads `upstream` of postern.yaml. */
export function readUpstream(raw: RawSettings['upstream'], site: Site, base: FileBase): Upstream {
  return {
    trust: each(raw?.trust, below(site, 'trust'), (text, at) => absolutePath(text, at, base)),
    dns: each(raw?.dns, below(site, 'dns'), readResolver),
    hosts: Object.entries(raw?.hosts ?? {}).flatMap(([host, addresses]) =>
      readHost(host, addresses, below(site, 'hosts', host)),
    ),
    allowAddresses: each(raw?.allow_addresses, below(site, 'allow_addresses'), readBlock),
    proxy: raw?.proxy === undefined ? null : readParent(raw.proxy, below(site, 'proxy'), base),
  };
}

/** Reads each entry of a list, without those that are wrong, which the reader reports. */
function each(
  raw: readonly string[] | undefined,
  site: Site,
  read: (text: string, site: Site) => string | null,
): readonly string[] {
  return (raw ?? []).flatMap((text, index) => {
    const value = read(text, below(site, index));
    return value === null ? [] : [value];
  });
}

/** A resolver is an address: a name would have to be resolved first. */
function readResolver(text: string, site: Site): string | null {
  const reading = parseAuthority(text, null);
  if (reading.ok && reading.kind !== 'name') return text;
  const alone = parseAuthority(text, 53);
  const canonical = alone.ok && alone.kind !== 'name' ? { canonical: `${alone.host}:53` } : {};
  const why = 'is not the address and port of a resolver';
  site.report.error(site.path, withCanonical(text, { why, ...canonical }));
  return null;
}

function readHost(text: string, addresses: readonly string[], site: Site): Upstream['hosts'] {
  const reading = canonicalHost(text);
  if (!reading.ok) site.report.error(site.path, withCanonical(text, reading), 'key');
  else if (reading.kind !== 'name')
    site.report.error(site.path, `${quote(text)} is an address already; only names have fixed answers`, 'key');
  return [{ host: text, addresses: each(addresses, site, readAddress) }];
}

function readAddress(text: string, site: Site): string | null {
  const ip = parseIp(text.replace(/^\[|\]$/g, ''));
  if (ip !== null && ip.text === text) return text;
  const why = ip === null ? 'is not an address; write e.g. 10.20.3.4' : 'is not in canonical form';
  site.report.error(site.path, withCanonical(text, ip === null ? { why } : { why, canonical: ip.text }));
  return null;
}
