import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import type { Pair } from './certificates.ts';
import { closeAfterTest } from './closing.ts';

/** A connection that the origin got: bytes as text, one character a byte. */
export class OriginConnection {
  readonly socket: Socket;
  received = '';
  ended = false;
  closed = false;
  #waiting: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      this.received += bytes.toString('latin1');
      this.#wake();
    });
    socket.on('end', () => {
      this.ended = true;
      this.#wake();
    });
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  /** Waits until what was received matches; rejects if the connection closes before. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.received);
      if (found !== null) return found;
      if (this.closed) throw new Error(`closed after ${JSON.stringify(this.received)} without ${pattern}`);
      await this.#change();
    }
  }

  async untilClosed(): Promise<void> {
    while (!this.closed) await this.#change();
  }

  async untilEnded(): Promise<void> {
    while (!this.ended && !this.closed) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

export interface Origin {
  readonly port: number;
  readonly connections: readonly OriginConnection[];
  /** The next connection that arrives, or has arrived and was not asked for yet. */
  next(): Promise<OriginConnection>;
}

export interface OriginOptions {
  /** TLS with this certificate, and whatever else is to be odd about it; plain TCP without. */
  readonly tls?: Pair & TlsOptions;
  readonly host?: string;
  readonly port?: number;
  /** Called for each connection: answers by hand. */
  readonly onConnection?: (connection: OriginConnection) => void;
  /** Called with the TCP socket of each connection, under its TLS if it has any. */
  readonly onSocket?: (socket: Socket) => void;
}

/** A server that a test answers by hand, byte by byte: it knows no HTTP, so it cannot mend what passes through. */
export async function startOrigin({
  tls,
  host = '127.0.0.1',
  port: wanted = 0,
  onConnection,
  onSocket,
}: OriginOptions = {}): Promise<Origin> {
  const connections: OriginConnection[] = [];
  const waiting: ((connection: OriginConnection) => void)[] = [];
  let asked = 0;
  const accept = (socket: Socket): void => {
    const connection = new OriginConnection(socket);
    connections.push(connection);
    waiting.shift()?.(connection);
    onConnection?.(connection);
  };
  const server: Server =
    tls === undefined
      ? createTcpServer({ allowHalfOpen: true }, accept)
      : createTlsServer({ ...tls, allowHalfOpen: true }, accept);
  server.on('tlsClientError', () => {});
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    onSocket?.(socket);
  });
  await new Promise<void>((resolve) => server.listen(wanted, host, resolve));
  closeAfterTest(server, () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  const next = (): Promise<OriginConnection> => {
    const there = connections[asked++];
    return there === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(there);
  };
  return { port, connections, next };
}

/** Answers every request head that ends on a connection with the same bytes. */
export function answering(answer: string): (connection: OriginConnection) => void {
  return (connection) => {
    let answered = 0;
    connection.socket.on('data', () => {
      const heads = connection.received.split('\r\n\r\n').length - 1;
      for (; answered < heads; answered++) connection.socket.write(answer, 'latin1');
    });
  };
}

/** Answers each request once, when it is whole: without a body, or with chunks to their end. */
export function answeringWhole(answer: string): (connection: OriginConnection) => void {
  return (connection) => {
    let begin = 0;
    connection.socket.on('data', () => {
      const request = connection.received.slice(begin);
      const end = /transfer-encoding: chunked\r\n/i.test(request) ? /\r\n0\r\n([^\r]+\r\n)*\r\n$/ : /\r\n\r\n$/;
      if (!end.test(request)) return;
      begin = connection.received.length;
      connection.socket.write(answer, 'latin1');
    });
  };
}

/** An HTTPS server at a fixed address, answering whole requests without bodies. */
export async function startOriginAt(
  host: string,
  port: number,
  tls: Pair,
  answer: (request: string) => { readonly status: number; readonly body: string },
): Promise<void> {
  await startOrigin({
    tls,
    host,
    port,
    onConnection: (connection) => {
      connection.socket.on('data', () => {
        const end = connection.received.indexOf('\r\n\r\n');
        if (end < 0) return;
        const { status, body } = answer(connection.received.slice(0, end + 2));
        connection.received = connection.received.slice(end + 4);
        connection.socket.write(`HTTP/1.1 ${status} Answer\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      });
    },
  });
}
