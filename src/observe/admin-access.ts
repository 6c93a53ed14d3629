import type { IncomingHttpHeaders } from 'node:http';

/** What is known of one admin request before anything is done for it. */
export interface Caller {
  /** Came by a `unix:` listener (0600): whoever can connect is our own user. */
  readonly isUnix: boolean;
  readonly remoteAddress: string;
  /** The address of ours that it connected to. */
  readonly localAddress: string;
  readonly headers: IncomingHttpHeaders;
}

/**
 * What a request needs. `open`: nothing (probes learn nothing but alive or ready). `read`: the token, except from loopback and by a
 * Unix socket. `change`: the token or a Unix socket, from wherever it comes.
 */
export type Need = 'open' | 'read' | 'change';

export interface AccessProblem {
  readonly status: 401 | 403 | 421;
  readonly message: string;
}

/**
 * Whether an admin request may be answered (SEMANTICS.md 12). A page in a browser on this machine can send requests to loopback, so a
 * foreign `Origin` is refused, and a `Host` that is not ours too: after DNS rebinding the page's own name leads here.
 */
export function accessProblem(
  caller: Caller,
  need: Need,
  isToken: ((text: string) => boolean) | null,
): AccessProblem | null {
  if (isForeign(caller.headers)) return { status: 403, message: 'requests of other sites are refused' };
  if (caller.isUnix) return null;
  const token = bearerOf(caller.headers);
  if (token !== null) return isToken?.(token) === true ? null : UNAUTHORIZED;
  // A caller with the token is no page: it may use any name that leads here.
  if (!isOurHost(caller)) return { status: 421, message: 'Host must be the address of this listener, or localhost' };
  if (need === 'open' || (need === 'read' && isLoopback(caller.remoteAddress))) return null;
  if (isToken !== null) return UNAUTHORIZED;
  const message = need === 'change' ? 'changes need' : 'callers that are not on loopback need';
  return { status: 403, message: `${message} "admin.token" in postern.yaml, or a unix: listener` };
}

const UNAUTHORIZED: AccessProblem = { status: 401, message: 'send "Authorization: Bearer" with the admin token' };

/** RFC 6454 section 7 and Fetch metadata: browsers say where a request comes from, other clients say nothing. */
function isForeign(headers: IncomingHttpHeaders): boolean {
  const { origin, host } = headers;
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  return origin !== undefined && origin !== `http://${host}`;
}

function bearerOf({ authorization }: IncomingHttpHeaders): string | null {
  return /^bearer +([\x21-\x7e]+)$/i.exec(authorization ?? '')?.[1] ?? null;
}

function isOurHost({ headers, localAddress }: Caller): boolean {
  const name = (headers.host ?? '')
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  return name === 'localhost' || (name !== '' && name === unmapped(localAddress));
}

const isLoopback = (address: string): boolean => {
  const plain = unmapped(address);
  return plain === '::1' || plain.startsWith('127.');
};

/** A dual-stack listener shows IPv4 as `::ffff:127.0.0.1` (RFC 4291 section 2.5.5.2). */
const unmapped = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/, '');
