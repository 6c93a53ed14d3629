import type { Dialled, DialOptions, DialTarget, Leg } from './dialling.ts';
import { secured } from './secure.ts';
import { assertDialled, connected } from './tcp.ts';
import { connectedThrough } from './through-parent.ts';

/**
 * Connects to one of the judged addresses, and from there through the parent where the way has one; for https, verifies the certificate for
 * the host. Rejects with `CONNECT_FAILED`, `CONNECT_TIMEOUT`, `TLS_UNTRUSTED` or `TLS_FAILED`; with `OVERLOADED` where it is we who cannot make
 * another connection. Nothing is resolved here, and nothing but the addresses of the way is dialled.
 */
export async function dial(target: DialTarget, options: DialOptions): Promise<Dialled> {
  const { socket: leg, raw, tcp } = await legTo(target, options);
  if (target.scheme !== 'https') {
    assertDialled(tcp, target.way.addresses);
    return { socket: leg, raw };
  }
  const { tlsMs, signal } = options;
  const socket = await secured(leg, { ...options, ...named(target) }, { limitMs: tlsMs, signal });
  assertDialled(tcp, target.way.addresses);
  return { socket, raw: leg };
}

async function legTo(target: DialTarget, options: DialOptions): Promise<Leg> {
  const { way, port, shown } = target;
  if (way.kind === 'parent') return await connectedThrough(way, target, options);
  const { connectMs, signal } = options;
  const { addresses } = way;
  const tcp = await connected({ shown, port, addresses }, { limitMs: connectMs, signal });
  return { socket: tcp, raw: null, tcp };
}

const named = ({ host, shown, alpn }: DialTarget) => ({ host, shown, alpn });
