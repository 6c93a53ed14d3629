import { getPublicSuffix, parse } from 'tldts';

/**
 * Top-level names that no registry sells: RFC 6761, RFC 6762, RFC 8375 and ICANN's `internal`, and the three that ICANN put
 * aside for good because private networks use them. Below these an operator owns every name, so `*.internal` is a fair pattern.
 */
const PRIVATE_USE: ReadonlySet<string> = new Set([
  'corp',
  'example',
  'home',
  'home.arpa',
  'internal',
  'invalid',
  'local',
  'localhost',
  'mail',
  'test',
]);

/**
 * What `*.suffix` would cover. `registry`: names that anyone can register (`com`, `co.uk`, a top-level name that is not known).
 * `shared`: names that a company hands out to its customers (`github.io`, `googleapis.com`, `blob.core.windows.net`: the private
 * part of the public suffix list). `owned`: names of one owner.
 *
 * `registry` is refused everywhere. `shared` is for a warning only: some of those are one company's own services behind names it
 * also gives to customers, and `*.blob.core.windows.net` is what CI runners and package managers need; the author must know
 * that a stranger may own a name under it.
 */
export type SuffixKind = 'registry' | 'shared' | 'owned';

/** @param suffix a canonical name, the `X` of `*.X`. */
export function suffixKind(suffix: string): SuffixKind {
  if (PRIVATE_USE.has(suffix)) return 'owned';
  // The registry part of the list; a top-level name that it does not know counts as a suffix (the list's default rule "*").
  if (getPublicSuffix(suffix) === suffix) return 'registry';
  return getPublicSuffix(suffix, { allowPrivateDomains: true }) === suffix ? 'shared' : 'owned';
}

/** Whether a canonical name is under a top-level name of the public DNS. Others (`internal`, `corp`, a bare label) only a private network answers. */
export const isPublicName = (host: string): boolean => parse(host, { extractHostname: false }).isIcann === true;
