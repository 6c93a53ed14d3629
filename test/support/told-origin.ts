import type { Socket } from 'node:net';
import type { Pair } from './certificates.ts';
import { type Origin, type OriginConnection, startOrigin } from './origin.ts';

export interface ToldOrigin extends Origin {
  /** Resolves when the head of a request for that target was or is read. */
  seen(target: string): Promise<void>;
}

const OK = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok';

/** The handshake that `SWITCHED` accepts (RFC 6455 section 1.3). */
export const WEBSOCKET_FIELDS = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n`;
export const SWITCHED = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r
Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n`;

/**
 * An origin that does what the path of the first request says: `/whole` answers at once, `/body` and `/held` once a body that ends in
 * "defghij" is there, `/endless` without end, `/never` not at all, `/socket` as a WebSocket.
 */
export async function startToldOrigin(tls?: Pair): Promise<ToldOrigin> {
  const seen = new Set<string>();
  const waiting = new Map<string, () => void>();
  const onConnection = (connection: OriginConnection): void =>
    obey(connection, (target) => {
      seen.add(target);
      waiting.get(target)?.();
    });
  const origin = await startOrigin(tls === undefined ? { onConnection } : { onConnection, tls });
  return {
    ...origin,
    seen: (target) =>
      new Promise((resolve) => {
        if (seen.has(target)) resolve();
        else waiting.set(target, resolve);
      }),
  };
}

function obey(connection: OriginConnection, onTarget: (target: string) => void): void {
  const { socket } = connection;
  let path: string | undefined;
  socket.on('end', () => socket.end());
  socket.on('data', () => {
    if (path === undefined) {
      const target = /^\S+ (\S+) [\s\S]*\r\n\r\n/.exec(connection.received)?.[1];
      if (target === undefined) return;
      path = target.replace(/\?.*/, '');
      onTarget(target);
      if (path === '/endless') flood(socket);
      if (path === '/whole') socket.write(OK);
      if (path === '/socket') socket.write(SWITCHED);
    }
    if ((path === '/body' || path === '/held') && /defghij$|\r\n0\r\n\r\n$/.test(connection.received)) socket.end(OK);
  });
}

function flood(socket: Socket): void {
  const block = Buffer.alloc(64 * 1024, 'x');
  const more = (): void => {
    while (socket.writable && socket.write(block));
  };
  socket.write('HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n');
  socket.on('drain', more);
  more();
}
