import { connect, createServer, type Socket } from 'node:net';
import { closeAfterTest } from './closing.ts';

export interface RelayOptions {
  /** Port of the proxy, on loopback. */
  readonly proxyPort: number;
  /** What is asked of it: `name:port`. */
  readonly authority: string;
  /** Where the relay listens. A client that knows no proxy takes it for the server, so both may need the same port. */
  readonly host?: string;
  readonly port?: number;
}

/**
 * Gives a client that knows no proxy a port that leads through one.
 *
 *     client ── TCP ──▶ relay ── CONNECT authority ──▶ proxy ──▶ origin
 *
 * A tunnel that is refused is a connection that ends.
 */
export async function startConnectRelay({
  proxyPort,
  authority,
  host = '127.0.0.1',
  port = 0,
}: RelayOptions): Promise<number> {
  const open = new Set<Socket>();
  const kept = (socket: Socket): Socket => {
    open.add(socket);
    socket.on('error', () => {}).on('close', () => open.delete(socket));
    return socket;
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const proxy = connect({ port: proxyPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    kept(client).on('close', () => proxy.destroy());
    kept(proxy).on('close', () => client.destroy());
    proxy.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    afterHead(proxy, (head) => {
      if (!head.startsWith('HTTP/1.1 200 ')) return client.destroy();
      proxy.pipe(client);
      client.pipe(proxy);
    });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  closeAfterTest(server, () => {
    for (const socket of open) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the relay has no port');
  return address.port;
}

/** Reads a head to its end, and leaves what comes after it in the socket. */
function afterHead(socket: Socket, then: (head: string) => void): void {
  let read = Buffer.alloc(0);
  const take = (): void => {
    for (let bytes = socket.read() as Buffer | null; bytes !== null; bytes = socket.read() as Buffer | null) {
      read = Buffer.concat([read, bytes]);
      const end = read.indexOf('\r\n\r\n');
      if (end < 0) continue;
      socket.off('readable', take);
      socket.unshift(read.subarray(end + 4));
      then(read.toString('latin1', 0, end));
      return;
    }
  };
  socket.on('readable', take);
}
