import { lstat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import type { ListenAddress } from './settings.ts';

const BACKLOG = 4_096;

export interface BindOptions {
  /** Of a Unix socket: 0o600 keeps everyone but our own user out. By default what the umask leaves. */
  readonly socketMode?: number;
}

/**
 * Binds a server to an address; a Unix socket that a dead process left behind is replaced, a living one never. Resolves with the address as
 * it is bound: port 0 has become a real port. Rejects with the system's error.
 */
export async function bind(server: Server, address: ListenAddress, options: BindOptions = {}): Promise<ListenAddress> {
  if (address.kind === 'unix') await removeStale(address.path);
  return await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve(boundAddress(server, address));
    });
    if (address.kind === 'tcp') server.listen({ host: address.host, port: address.port, backlog: BACKLOG });
    else withUmask(options.socketMode, () => server.listen({ path: address.path, backlog: BACKLOG }));
  });
}

function boundAddress(server: Server, address: ListenAddress): ListenAddress {
  const bound = server.address();
  if (address.kind === 'unix' || bound === null || typeof bound === 'string') return address;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return { ...address, port: bound.port, text: `${host}:${bound.port}` };
}

/** `listen` binds a Unix socket before it returns, so the mode is right from the first instant: a `chmod` after it would come late. */
function withUmask(mode: number | undefined, listen: () => void): void {
  const before = process.umask();
  if (mode !== undefined) process.umask(0o777 & ~mode);
  try {
    listen();
  } finally {
    process.umask(before);
  }
}

async function removeStale(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => null);
  if (stats?.isSocket() !== true || (await answers(path))) return;
  await unlink(path).catch(() => {});
}

/** Whether a process listens there; only a refusal says for certain that none does. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
}
