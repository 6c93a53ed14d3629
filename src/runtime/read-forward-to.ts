import { parseAuthority } from '../address/authority.ts';
import { canonicalHost } from '../address/hostname.ts';
import { below, quote, type Site } from '../policy/finding.ts';
import { withCanonical } from '../policy/reading/host-patterns.ts';
import { readPorts } from '../policy/reading/read-conditions.ts';
import { readBlock } from '../policy/reading/read-subnets.ts';
import { isReserved } from '../policy/reserved.ts';
import type { ForwardTarget } from '../upstream/forward-targets.ts';
import type { RawSettings } from './settings-schema.ts';

type RawTarget = NonNullable<RawSettings['forward_to']>[number];

const DEFAULT_PORTS: readonly number[] = [443];

/** Reads `forward_to` of postern.yaml. */
export function readForwardTo(raw: RawSettings['forward_to'], site: Site): readonly ForwardTarget[] {
  const indexByHost = new Map<string, number>();
  return (raw ?? []).map((target, index) => {
    const at = below(site, index);
    const known = indexByHost.get(target.host);
    if (known === undefined) indexByHost.set(target.host, index);
    else at.report.error(below(at, 'host').path, `is the host of forward_to[${known}] too; make one entry of both`);
    return readTarget(target, at);
  });
}

function readTarget({ host, ports, addresses }: RawTarget, site: Site): ForwardTarget {
  checkHost(host, below(site, 'host'));
  const blocks = addresses?.flatMap((text, index) => readBlock(text, below(site, 'addresses', index)) ?? []);
  return { host, ports: readPorts(ports, below(site, 'ports')) ?? DEFAULT_PORTS, addresses: blocks ?? null };
}

/** An exact name or address: whom requests of sandboxes are handed to is not left to a wildcard. */
function checkHost(text: string, site: Site): void {
  const reading = canonicalHost(text);
  if (reading.ok) {
    if (isReserved(reading.host)) site.report.error(site.path, `${quote(text)} is the proxy's own name`);
    return;
  }
  const authority = parseAuthority(text, null);
  if (text.includes('*')) site.report.error(site.path, `${quote(text)} has a wildcard; name each host`);
  else if (text.includes('/')) site.report.error(site.path, 'is a URL; write the host alone, e.g. audit.corp.example');
  else if (authority.ok)
    site.report.error(
      site.path,
      withCanonical(text, { why: 'has a port, which belongs in "ports"', canonical: authority.host }),
    );
  else site.report.error(site.path, withCanonical(text, reading));
}
