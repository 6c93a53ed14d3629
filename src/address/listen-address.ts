import { posix } from 'node:path';
import { parsePort } from './authority.ts';
import { canonicalHost } from './hostname.ts';

/** Where to listen: TCP, or a Unix domain socket. Prints as `host:port` or `unix:/path`. */
export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly text: string }
  | { readonly kind: 'unix'; readonly path: string; readonly text: string };

export type ListenReading =
  | { readonly ok: true; readonly address: ListenAddress }
  | { readonly ok: false; readonly why: string; readonly canonical?: string };

/** `sun_path` has 108 bytes on Linux, the final NUL included (unix(7)); a longer path is cut or refused by the kernel. */
const SOCKET_PATH_BYTES_MAX = 107;

/**
 * Reads an address to listen on: `host:port` or `unix:/absolute/path`. The host is an address or `localhost`, since any other name
 * may mean another interface after the next DNS answer. Port 0 asks the kernel for a free one. `host` is as `net.listen` takes
 * it: IPv6 without brackets.
 */
export function parseListenAddress(text: string): ListenReading {
  return text.startsWith('unix:') ? readUnix(text) : readTcp(text);
}

function readUnix(text: string): ListenReading {
  const path = text.slice('unix:'.length);
  if (!path.startsWith('/')) return { ok: false, why: 'is not an absolute path; write "unix:/run/postern.sock"' };
  if (path.includes('\0')) return { ok: false, why: 'has a NUL character' };
  if (new TextEncoder().encode(path).length > SOCKET_PATH_BYTES_MAX) {
    return { ok: false, why: `is longer than the ${SOCKET_PATH_BYTES_MAX} bytes that a socket path may have` };
  }
  // One path in two spellings would be one socket and two listeners.
  const canonical = posix.normalize(path).replace(/(?<=.)\/$/, '');
  if (canonical === '/') return { ok: false, why: 'names no file; write "unix:/run/postern.sock"' };
  if (canonical !== path) {
    return { ok: false, why: 'is not the shortest spelling of its path', canonical: `unix:${canonical}` };
  }
  return { ok: true, address: { kind: 'unix', path, text } };
}

function readTcp(text: string): ListenReading {
  const colon = text.lastIndexOf(':');
  if (colon === -1 || colon < text.lastIndexOf(']')) return { ok: false, why: 'has no port; write "127.0.0.1:8080"' };
  const portText = text.slice(colon + 1);
  const port = portText === '0' ? 0 : parsePort(portText);
  if (port === null) return { ok: false, why: 'has a port that is not a number from 0 to 65535' };
  const hostText = text.slice(0, colon);
  if (hostText === '' || hostText === '*') {
    return { ok: false, why: 'names no interface', canonical: `0.0.0.0:${portText}` };
  }
  const host = canonicalHost(hostText);
  if (!host.ok) {
    if (host.canonical === undefined) return { ok: false, why: host.why };
    return { ok: false, why: host.why, canonical: `${host.canonical}:${portText}` };
  }
  if (host.kind === 'name' && host.host !== 'localhost') {
    return { ok: false, why: 'is a name; write the address of an interface, e.g. "127.0.0.1:8080" or "0.0.0.0:8080"' };
  }
  const bare = host.kind === 'ipv6' ? host.host.slice(1, -1) : host.host;
  return { ok: true, address: { kind: 'tcp', host: bare, port, text } };
}
