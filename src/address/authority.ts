import { type HostKind, hostFromRequest } from './hostname.ts';

export type AuthorityReading =
  | { readonly ok: true; readonly host: string; readonly port: number; readonly kind: HostKind }
  /** `why` is a predicate ("has no port") and holds nothing of the text. */
  | { readonly ok: false; readonly why: string };

const PORT = /^[1-9][0-9]{0,4}$/;

/**
 * Reads exactly `host` or `host:port` (RFC 9110 section 7.2, RFC 9112 section 3.2.3): the target of CONNECT, or the value of Host.
 * Nothing else may stand in it: no user information, path or space, which `new URL()` would take.
 * @param defaultPort the port of a host without one; null where the port is required (CONNECT).
 */
export function parseAuthority(text: string, defaultPort: number | null): AuthorityReading {
  const colon = colonBeforePort(text);
  const reading = hostFromRequest(colon === -1 ? text : text.slice(0, colon));
  if (!reading.ok) return { ok: false, why: reading.why };
  if (colon === -1) {
    if (defaultPort === null) return { ok: false, why: 'has no port' };
    return { ok: true, host: reading.host, port: defaultPort, kind: reading.kind };
  }
  const port = parsePort(text.slice(colon + 1));
  if (port === null) return { ok: false, why: 'has a port that is not a number from 1 to 65535' };
  return { ok: true, host: reading.host, port, kind: reading.kind };
}

/** A port in its only spelling: decimal, 1 to 65535, without sign or leading zeros; null for anything else. */
export function parsePort(text: string): number | null {
  if (!PORT.test(text)) return null;
  const port = Number(text);
  return port <= 65_535 ? port : null;
}

/** The colon after the host, or -1: in `[::1]` the last colon belongs to the address. */
function colonBeforePort(text: string): number {
  const colon = text.lastIndexOf(':');
  return colon < text.lastIndexOf(']') ? -1 : colon;
}
