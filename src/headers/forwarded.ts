import { hyphened } from './field-list.ts';

/**
 * Fields by which a receiver is told who asked a proxy for what. On a request that we forward (SEMANTICS.md 13) they are ours to say: a client's own
 * would be taken for them.
 */
export const isForwardingField = (lower: string): boolean => {
  const name = hyphened(lower);
  return (
    name === 'forwarded' || name.startsWith('x-forwarded') || name.startsWith('x-postern-') || ADDRESS_FIELDS.has(name)
  );
};

/** Names by which proxies and content networks hand on a client's address or the host that was asked for. */
const ADDRESS_FIELDS: ReadonlySet<string> = new Set([
  'cf-connecting-ip',
  'client-ip',
  'fastly-client-ip',
  'forwarded-for',
  'true-client-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-host',
  'x-original-forwarded-for',
  'x-original-host',
  'x-originating-ip',
  'x-real-ip',
  'x-remote-addr',
  'x-remote-ip',
]);

export interface ForwardedFor {
  /** A sandbox's name: `[a-z0-9][a-z0-9-]*`. */
  readonly sandbox: string;
  /** As Host said it, canonical: the port only where it is not the scheme's own. */
  readonly host: string;
  readonly proto: 'http' | 'https';
}

/**
 * RFC 7239 section 4. `for` is an obfuscated identifier (section 6.3), since a sandbox's address tells about the network it is in and is
 * not what a receiver can check anything by.
 */
export const forwardedValue = ({ sandbox, host, proto }: ForwardedFor): string =>
  `for=_${sandbox};host=${tokenOrQuoted(host)};proto=${proto}`;

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** A colon or a bracket makes a host no token (RFC 7239 section 4). Nothing in a canonical host needs a backslash. */
const tokenOrQuoted = (text: string): string => (TOKEN.test(text) ? text : `"${text}"`);
