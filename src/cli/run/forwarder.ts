import { connect, createServer, type Socket } from 'node:net';

/** client ⇄ 127.0.0.1:port (inside) ⇄ socket ⇄ proxy (outside). Resolves when it listens. */
export function forwardToProxy(port: number, path: string): Promise<void> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => join(client, path));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port, backlog: 4_096 }, resolve);
  });
}

/** Bytes and ends pass each way by themselves; a failure on one side resets the other, so that a cut answer is seen as one. */
function join(client: Socket, path: string): void {
  const proxy = connect({ path, allowHalfOpen: true });
  client.on('error', () => proxy.destroy());
  proxy.on('error', () => client.resetAndDestroy());
  client.pipe(proxy);
  proxy.pipe(client);
}
