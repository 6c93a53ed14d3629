import { createServer, type Socket } from 'node:net';
import { ProxyError, toProxyError } from '../errors.ts';
import { responseHeadText } from '../http1/write.ts';
import type { Ingress, Protocol } from '../observe/record.ts';
import { bind } from '../runtime/bind.ts';
import type { ListenAddress } from '../runtime/settings.ts';
import { Wire } from '../wire/wire.ts';
import { ClientConnection } from './connection.ts';
import type { Entrance } from './passage.ts';
import { noteFailure, openRecord } from './record.ts';
import { refusedConnect } from './reply.ts';
import type { Services } from './services.ts';
import type { WayIn } from './way-in.ts';

/** A listener of the proxy that is bound. */
export interface ProxyListener {
  /** As it is bound: port 0 has become a real port. */
  readonly address: ListenAddress;
  /** Accepts no more, and removes the file of a Unix socket, at once; connections that are open go on. Resolves when they have ended. */
  close(): Promise<void>;
}

/** Binds one address and serves every client that connects to it. Rejects with the system's error. */
export async function listen(
  address: ListenAddress,
  services: Services,
  way: WayIn | null = null,
): Promise<ProxyListener> {
  const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 });
  const bound = await bind(server, address, { socketMode: socketMode() });
  server.on('connection', (socket) => accept(socket, bound, services, way));
  // After binding an error concerns one connection that was lost before it was accepted (or no descriptor is left).
  server.on('error', () => {});
  return { address: bound, close: () => new Promise((resolve) => server.close(() => resolve())) };
}

/**
 * Of a Unix socket for clients: for the user and the group of this process, and never for others, since whoever can connect is the sandbox.
 * A umask that shuts the group out altogether (077) is obeyed; the usual one (022) would let the group look at the socket and not connect.
 */
function socketMode(): number {
  return (process.umask() & 0o070) === 0o070 ? 0o600 : 0o660;
}

/** `accept`: one connection, within the limit. */
function accept(socket: Socket, listener: ListenAddress, services: Services, way: WayIn | null): void {
  // Reset before it was accepted. What it sent can still be read, but not whose it is: no identity may be made of that.
  if (listener.kind === 'tcp' && socket.remoteAddress === undefined) {
    socket.on('error', () => {});
    socket.destroy();
    return;
  }
  const wire = new Wire(socket);
  wire.noticeResets();
  const entrance = entranceOf(socket, listener, way);
  const refusal = refusalOf(services);
  if (refusal !== null) {
    turnAway(wire, entrance, refusal, services);
    return;
  }
  const connection = new ClientConnection(wire, entrance, services, way?.serve ?? null);
  services.open.add(connection);
  services.observer.connectionOpened('client');
  socket.once('close', () => {
    services.open.delete(connection);
    services.observer.connectionClosed('client');
  });
  // Every failure that a peer can cause is answered inside; what comes here is a bug, and concerns this connection alone.
  connection.serve().catch((thrown: unknown) => turnAway(wire, entrance, toProxyError(thrown, 'accept'), services));
}

function refusalOf({ open, runtime, observer, connectionsMax }: Services): ProxyError | null {
  if (open.draining) return new ProxyError('DRAINING', { stage: 'accept', side: 'proxy' });
  if (open.size >= Math.min(runtime.current.settings.limits.connections, connectionsMax))
    return new ProxyError('OVERLOADED', { stage: 'accept', side: 'proxy' });
  if (!observer.accepting)
    return new ProxyError('OVERLOADED', { stage: 'accept', side: 'proxy', reason: 'audit lines cannot be written' });
  return null;
}

function turnAway(wire: Wire, entrance: Entrance, error: ProxyError, services: Services): void {
  const record = openRecord(
    entrance,
    PROTOCOL_BY_INGRESS[entrance.ingress],
    services.runtime.current.generation,
    performance.now(),
  );
  record.status = error.status;
  noteFailure(record, error);
  // Who knows of no proxy may be waiting for anything.
  if (entrance.ingress === 'transparent' || entrance.ingress === 'dns') record.status = null;
  else {
    const { reason, fields } = refusedConnect(record, error);
    wire.writeText(responseHeadText(error.status, reason, fields, 'Content-Length: 0\r\nConnection: close\r\n'));
  }
  wire.destroyAfterWrites();
  services.observer.concluded(record);
}

/** As what a connection counts that was refused before it said anything. */
const PROTOCOL_BY_INGRESS: Readonly<Record<Ingress, Protocol>> = {
  proxy: 'h1',
  socks: 'h1',
  unix: 'h1',
  transparent: 'tunnel',
  dns: 'dns',
};

function entranceOf(socket: Socket, listener: ListenAddress, way: WayIn | null): Entrance {
  const address = socket.remoteAddress ?? null;
  const meantPort = way?.meantPort ?? null;
  if (listener.kind === 'unix' || address === null) {
    const ingress = way?.ingress ?? 'unix';
    return { ingress, listener: listener.text, client: '', clientAddress: null, reachedAt: null, meantPort };
  }
  const plain = unmapped(address);
  const client = placeText(plain, socket.remotePort);
  const reachedAt =
    socket.localAddress === undefined ? null : placeText(unmapped(socket.localAddress), socket.localPort);
  const ingress = way?.ingress ?? 'proxy';
  return { ingress, listener: listener.text, client, clientAddress: plain, reachedAt, meantPort };
}

/** A dual-stack listener shows IPv4 clients as IPv4-mapped (RFC 4291 section 2.5.5.2); policies name them by their own address. */
export const unmapped = (address: string): string =>
  address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address;

export const placeText = (address: string, port: number | undefined): string =>
  `${address.includes(':') ? `[${address}]` : address}:${port ?? 0}`;
