import { parseAuthority } from '../address/authority.ts';
import { canonicalHost } from '../address/hostname.ts';
import { parseIp } from '../address/ip.ts';
import { below, quote, type Site } from '../policy/finding.ts';
import type { SecretSource } from '../policy/model.ts';
import { withCanonical } from '../policy/reading/host-patterns.ts';
import { type FileBase, readSource } from '../policy/reading/read-secrets.ts';
import { readBlock } from '../policy/reading/read-subnets.ts';
import type { ParentSettings } from './settings.ts';
import type { RawSettings } from './settings-schema.ts';

type RawParent = NonNullable<NonNullable<RawSettings['upstream']>['proxy']>;
type Endpoint = Pick<ParentSettings, 'scheme' | 'host' | 'port'>;

const EXAMPLE = 'write e.g. "http://proxy.corp.example:3128"';
const NAME_LENGTH_MAX = 255;

/** Reads `upstream.proxy` of postern.yaml; null if it has an error, which is reported. */
export function readParent(raw: RawParent, site: Site, base: FileBase): ParentSettings | null {
  const endpoint = readUrl(raw.url, below(site, 'url'));
  const user = readUser(raw, site, base);
  const noProxy = readNoProxy(raw.no_proxy ?? [], below(site, 'no_proxy'));
  return endpoint === null ? null : { ...endpoint, user, ...noProxy };
}

/** Scheme, host and port, in one spelling. What is wrong is never quoted: URLs with a password in them are what people have. */
function readUrl(text: string, site: Site): Endpoint | null {
  const wrong = (why: string): null => {
    site.report.error(site.path, why);
    return null;
  };
  const [, scheme, authority = '', rest = ''] = /^(https?):\/\/([^/?#]*)(.*)$/s.exec(text) ?? [];
  if (scheme === undefined) return wrong(`is not an http:// or https:// URL; ${EXAMPLE}`);
  if (authority.includes('@')) return wrong('has a user in it; write "username" and "password" beside it');
  if (rest !== '') return wrong(`has something after the port; ${EXAMPLE}`);
  const reading = parseAuthority(authority, null);
  if (!reading.ok) return wrong(`${reading.why}; ${EXAMPLE}`);
  const canonical = `${scheme}://${reading.host}:${reading.port}`;
  if (canonical !== text) return wrong(`is not in canonical form; write ${quote(canonical)}`);
  const { host, port } = reading;
  return { scheme: scheme === 'https' ? 'https' : 'http', host, port };
}

/** RFC 7617 section 2: no colon, at which the user ends, and no control characters. */
function readUser({ username, password }: RawParent, site: Site, base: FileBase): ParentSettings['user'] {
  const source: SecretSource | null =
    password === undefined ? null : readSource(password, below(site, 'password'), base);
  if (username === undefined && password === undefined) return null;
  // A value of the wrong shape was reported and left out: it is not missing.
  if ((username === undefined || password === undefined) && site.report.failed()) return null;
  if (username === undefined)
    site.report.error(below(site, 'password').path, 'stands without "username"; write both or neither', 'key');
  else if (password === undefined)
    site.report.error(below(site, 'username').path, 'stands without "password"; write both or neither', 'key');
  else if (username === '' || username.length > NAME_LENGTH_MAX || /[:\x00-\x1f\x7f]/.test(username))
    site.report.error(
      below(site, 'username').path,
      `is not a user for Basic; write 1 to ${NAME_LENGTH_MAX} characters without a colon or control characters`,
    );
  return username === undefined || source === null ? null : { name: username, password: source };
}

function readNoProxy(raw: readonly string[], site: Site): Pick<ParentSettings, 'noProxyHosts' | 'noProxyBlocks'> {
  const noProxyHosts: string[] = [];
  const noProxyBlocks: string[] = [];
  for (const [index, text] of raw.entries()) {
    const at = below(site, index);
    if (text.includes('/') || parseIp(text) !== null) {
      const block = readBlock(text, at);
      if (block !== null) noProxyBlocks.push(block);
    } else {
      const host = readPattern(text, at);
      if (host !== null) noProxyHosts.push(host);
    }
  }
  return { noProxyHosts, noProxyBlocks };
}

/**
 * A host or `*.suffix`, any depth and not the apex, as in rules. Here a wildcard may cover a public suffix: it opens nothing, what is dialled
 * directly is judged by its address.
 */
function readPattern(text: string, site: Site): string | null {
  const isWildcard = text.startsWith('*.');
  const prefix = isWildcard || text.startsWith('.') ? '*.' : '';
  const suffix = text.slice(isWildcard ? 2 : prefix === '' ? 0 : 1);
  const reading = canonicalHost(suffix);
  if (reading.ok && reading.kind === 'name' && `${prefix}${suffix}` === text) return text;
  const canonical = reading.ok ? reading.host : reading.canonical;
  const why = reading.ok ? whyNoPattern(reading.kind, isWildcard) : reading.why;
  site.report.error(
    site.path,
    withCanonical(text, {
      why,
      ...(canonical === undefined ? {} : { canonical: unbracketed(`${prefix}${canonical}`) }),
    }),
  );
  return null;
}

function whyNoPattern(kind: 'name' | 'ipv4' | 'ipv6', isWildcard: boolean): string {
  if (kind === 'name') return 'begins with a dot';
  return isWildcard ? 'is a wildcard before an address' : 'is an address in brackets';
}

/** Blocks have no brackets. A wildcard before an address is nothing, and the address is what was meant. */
const unbracketed = (text: string): string =>
  text.replace(/^(?:\*\.)?\[(.*)\]$/, '$1').replace(/^\*\.([0-9.]+)$/, '$1');
