import { parseAuthority } from '../../address/authority.ts';
import { canonicalHost, type HostReading } from '../../address/hostname.ts';
import { type SuffixKind, suffixKind } from '../../address/public-suffix.ts';
import { below, quote, type Site } from '../finding.ts';

export type HostPatternReading =
  /** `suffix` says whose names a wildcard covers; null for an exact host. */
  | { readonly ok: true; readonly pattern: string; readonly suffix: SuffixKind | null }
  | { readonly ok: false; readonly why: string; readonly canonical?: string };

/** Reads an exact canonical host or `*.suffix` (SEMANTICS.md 2). A wildcard stands for one or more labels, never for none. */
export function readHostPattern(text: string): HostPatternReading {
  if (text === '*') {
    return {
      ok: false,
      why: 'covers every host; name the hosts, or write "default: allow" for those that no rule names',
    };
  }
  if (text.startsWith('*.')) return readWildcard(text.slice(2));
  if (text.includes('*'))
    return { ok: false, why: 'has a "*" that is not the whole first label; write e.g. "*.example.com"' };
  if (text.startsWith('.'))
    return { ok: false, why: 'begins with a dot', ...offer(canonicalHost(text.slice(1)), '*.') };
  if (/[/?#]/.test(text)) return refuseUrl(text);
  const reading = canonicalHost(text);
  if (reading.ok) return { ok: true, pattern: reading.host, suffix: null };
  const authority = parseAuthority(text, null);
  if (authority.ok) return { ok: false, why: 'has a port, which belongs in "ports"', canonical: authority.host };
  return { ok: false, why: reading.why, ...offer(reading, '') };
}

function readWildcard(suffix: string): HostPatternReading {
  if (suffix.includes('*')) return { ok: false, why: 'has more than one "*"; one stands for any number of labels' };
  const reading = canonicalHost(suffix);
  if (!reading.ok) return { ok: false, why: reading.why, ...offer(reading, '*.') };
  if (reading.kind !== 'name')
    return { ok: false, why: 'is a wildcard before an address; write the address, or a block in "subnets"' };
  const kind = suffixKind(suffix);
  if (kind === 'registry') {
    return { ok: false, why: 'covers a public suffix; name a registrable domain, e.g. "*.example.com"' };
  }
  return { ok: true, pattern: `*.${suffix}`, suffix: kind };
}

/** Offers the spelling to write, if the reading has one. */
function offer(reading: HostReading, prefix: string): { readonly canonical?: string } {
  const host = reading.ok ? reading.host : reading.canonical;
  return host === undefined ? {} : { canonical: `${prefix}${host}` };
}

function refuseUrl(text: string): HostPatternReading {
  const authority = /^(?:https?:\/\/)?([^/?#@]*)(?:[/?#]|$)/.exec(text)?.[1] ?? '';
  const reading = parseAuthority(authority, 443);
  const why = 'is a URL; hosts are names alone, and a path belongs in "paths"';
  return reading.ok ? { ok: false, why, canonical: reading.host } : { ok: false, why };
}

/** Whether every host of the pattern `inner` is one of `outer`. Both are canonical. */
export const covers = (outer: string, inner: string): boolean =>
  outer === inner || (outer.startsWith('*.') && inner.endsWith(outer.slice(1)));

export interface HostsReading {
  readonly hosts: readonly string[];
  /** Wildcards below which strangers own names, with their index. */
  readonly shared: readonly { readonly pattern: string; readonly index: number }[];
}

/** Reads a list of hosts and reports what is wrong with it. */
export function readHosts(raw: readonly string[], site: Site): HostsReading {
  const hosts: string[] = [];
  const seen = new Set<string>();
  const shared: HostsReading['shared'][number][] = [];
  for (const [index, text] of raw.entries()) {
    const at = below(site, index);
    const reading = readHostPattern(text);
    if (!reading.ok) {
      site.report.error(at.path, withCanonical(text, reading));
    } else if (seen.has(reading.pattern)) {
      site.report.warning(at.path, `${quote(text)} is in this list twice; remove one of them`);
    } else {
      seen.add(reading.pattern);
      hosts.push(reading.pattern);
      if (reading.suffix === 'shared') shared.push({ pattern: reading.pattern, index });
    }
  }
  return { hosts, shared };
}

/** `"Example.com" has upper-case letters; write "example.com"`. */
export const withCanonical = (text: string, reading: { readonly why: string; readonly canonical?: string }): string =>
  `${quote(text)} ${reading.why}${reading.canonical === undefined ? '' : `; write ${quote(reading.canonical)}`}`;
