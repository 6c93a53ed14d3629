import { once } from 'node:events';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Pair } from './certificates.ts';
import { closeAfterTest } from './closing.ts';
import { listening } from './listening.ts';

/** One CONNECT that a parent proxy was asked. */
export interface AskedParent {
  readonly socket: Socket;
  /** With its empty line. */
  readonly head: string;
  readonly port: number;
  /** Connects to that port of loopback, whatever the name, and answers 200; `more` follows right behind the head. */
  open(more?: string): void;
}

export interface ParentProxy {
  readonly port: number;
  /** The heads of all CONNECTs, in order. */
  readonly heads: readonly string[];
  /** What was asked for, in order. */
  readonly authorities: readonly string[];
  /** Connections that are open now. */
  readonly sockets: ReadonlySet<Socket>;
  /** Resolves when no connection is open. */
  allClosed(): Promise<void>;
}

export interface ParentProxyOptions {
  /** Speaks TLS with this certificate. */
  readonly tls?: Pair;
  /** `user:password`; anything else is answered 407. */
  readonly credentials?: string;
  /** Answers by hand. */
  readonly onAsked?: (asked: AskedParent) => void;
}

export const PARENT_PASSWORD = 'parent-password-0123456789';

/** A parent proxy that knows CONNECT alone, and for which every name is loopback. */
export async function startParent({ tls, credentials, onAsked }: ParentProxyOptions = {}): Promise<ParentProxy> {
  const heads: string[] = [];
  const sockets = new Set<Socket>();
  const answer = (asked: AskedParent): void => {
    if (credentials !== undefined && !isAuthorized(asked.head, credentials))
      asked.socket.end('HTTP/1.1 407 Authentication Wanted By The Parent\r\nContent-Length: 0\r\n\r\n');
    else if (onAsked === undefined) asked.open();
    else onAsked(asked);
  };
  const accept = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    let received = '';
    const onData = (bytes: Buffer): void => {
      received += bytes.toString('latin1');
      const end = received.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', onData);
      const head = received.slice(0, end + 4);
      heads.push(head);
      const port = Number(/^CONNECT \S*:(\d+) HTTP/.exec(head)?.[1]);
      answer({ socket, head, port, open: (more = '') => splice(socket, port, more) });
    };
    socket.on('data', onData);
  };
  const server =
    tls === undefined
      ? createTcpServer({ allowHalfOpen: true }, accept)
      : createTlsServer({ ...tls, allowHalfOpen: true }, accept);
  server.on('tlsClientError', () => {});
  return {
    port: await listening(server),
    heads,
    sockets,
    allClosed: async () => {
      for (const socket of sockets) await once(socket, 'close');
    },
    get authorities() {
      return heads.map((head) => head.split(' ')[1] ?? '');
    },
  };
}

const isAuthorized = (head: string, credentials: string): boolean =>
  head.includes(`\r\nProxy-Authorization: Basic ${Buffer.from(credentials).toString('base64')}\r\n`);

function splice(socket: Socket, port: number, more: string): void {
  const inside = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  closeAfterTest(inside, () => inside.destroy());
  inside.on('error', () => socket.destroy());
  inside.on('close', () => socket.destroy());
  socket.on('close', () => inside.destroy());
  inside.once('connect', () => {
    socket.write(`HTTP/1.1 200 Connection established\r\nVia: parent\r\n\r\n${more}`, 'latin1');
    socket.pipe(inside);
    inside.pipe(socket);
  });
}
