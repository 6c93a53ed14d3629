import type { AddressInfo, Server, Socket } from 'node:net';
import { closeAfterTest } from './closing.ts';

/** Has a server listen until the test is over, its connections included; on a free port of loopback unless told. */
export async function listening(server: Server, host = '127.0.0.1', wanted = 0): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(wanted, host, resolve);
  });
  closeAfterTest(server, () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}
