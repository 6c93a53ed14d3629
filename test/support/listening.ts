import type { AddressInfo, Server, Socket } from 'node:net';
import { closeAfterTest } from './closing.ts';

/** Has a server listen on a free port of loopback until the test is over, its connections included. */
export async function listening(server: Server, host = '127.0.0.1'): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  closeAfterTest(server, () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}
