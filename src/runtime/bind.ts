import { lstatSync, type Stats, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { errorCode } from '../errors.ts';
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

/** What is wrong where `bind` rejected, for the operator. */
export function whyNotBound(address: ListenAddress, error: unknown): string {
  const code = errorCode(error);
  if (code === 'EADDRINUSE' && address.kind === 'tcp') return 'another process listens there; choose another address';
  if (code === 'EADDRINUSE' && address.kind === 'unix') {
    return statsOf(address.path)?.isSocket() === false
      ? 'a file that is no socket is there; remove it, or choose another path'
      : 'somebody listens there already, or left a socket that only they may remove; choose another path';
  }
  // libuv says EACCES for ENOENT, too.
  if (code === 'EACCES' && address.kind === 'unix') {
    return statsOf(dirname(address.path)) === null
      ? 'its folder is not there; make it'
      : 'its folder may not be written by this process (EACCES)';
  }
  return code;
}

/** Nobody listens on it: a process that ended without removing it left it behind, and `listen` would be refused. */
async function removeStale(path: string): Promise<void> {
  const stale = statsOf(path);
  if (stale?.isSocket() !== true || (await answers(path))) return;
  // Another process may have done the same and listen there since: what is removed is what was asked, in one turn.
  const now = statsOf(path);
  if (now?.ino !== stale.ino || now.ctimeMs !== stale.ctimeMs) return;
  try {
    unlinkSync(path);
  } catch {
    // `listen` says that it is in use.
  }
}

function statsOf(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch {
    return null;
  }
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
