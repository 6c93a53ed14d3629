import type { Socket } from 'node:net';

const LOOK_MS = 500;
const watched = new Set<Socket>();
let timer: NodeJS.Timeout | null = null;

/**
 * Looks every half second whether the peer has reset the connection, until `unwatch`. For sockets that are not read at the moment: libuv takes
 * them out of its epoll set, so nothing tells of a reset until somebody reads or writes. A write of nothing does: Linux answers it with the
 * error of the connection, and sends nothing where there is none. On a reset the socket closes with its error.
 */
export function watchForReset(socket: Socket): void {
  watched.add(socket);
  timer ??= setInterval(look, LOOK_MS).unref();
}

export function unwatch(socket: Socket): void {
  if (!watched.delete(socket) || watched.size > 0 || timer === null) return;
  clearInterval(timer);
  timer = null;
}

function look(): void {
  for (const socket of watched) lookForReset(socket);
}

/** Looks once. */
export function lookForReset(socket: Socket): void {
  // Where bytes wait to leave, the socket is in the set for them, and is told.
  if (socket.writableLength === 0 && socket.writable) socket.write('');
}
