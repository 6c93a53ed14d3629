import { join } from 'node:path';
import type { ListenAddress } from '../../address/listen-address.ts';
import { LineSink } from '../../observe/line-sink.ts';
import { Log } from '../../observe/log.ts';
import type { Sources } from '../../runtime/reading.ts';
import { Server } from '../server.ts';
import { makePrivateFolder, type PrivateFolder, removePrivateFolder, showAuthority } from './private-folder.ts';

/** The command is gone; what its connections still do is of use to nobody. */
const DRAIN_MS = 500;
const FLUSH_MS = 1_000;

export interface ProxyWanted {
  readonly sources: Sources;
  /** Reached by a socket in a folder of ours, and by no port. */
  readonly isolate: boolean;
  /** Null: a CA of its own, which goes with it. */
  readonly caDir: string | null;
}

/** A proxy for one command, with all that is kept on the disk for it. */
export interface PrivateProxy {
  readonly folder: PrivateFolder;
  /** `127.0.0.1:PORT`, or `unix:` and the path of the socket. */
  readonly listener: string;
  /** Ends it and leaves nothing behind. */
  close(): Promise<void>;
}

/** Starts it. Throws what `Server.start` throws, and has then cleaned up. */
export async function startPrivateProxy({ sources, isolate, caDir }: ProxyWanted): Promise<PrivateProxy> {
  const stderr = new LineSink({ target: 'stderr' });
  const folder = await makePrivateFolder();
  const proxy = isolate ? socketIn(folder) : EPHEMERAL;
  const overrides = { ...sources.overrides, proxy: [proxy], proxyAlone: true, caDir: caDir ?? folder.ca } as const;
  const server = new Server({ ...sources, overrides }, new Log(stderr, overrides.logLevel ?? 'info'));
  const clear = async (): Promise<void> => {
    await removePrivateFolder(folder);
    await stderr.close(FLUSH_MS);
  };
  try {
    await server.start();
    await showAuthority(folder, server.runtime.state.authority.authority.caPem);
    const [listener = ''] = server.greeting().proxyListeners;
    const close = (): Promise<void> => server.stop(DRAIN_MS).finally(clear);
    return { folder, listener, close };
  } catch (error) {
    await clear();
    throw error;
  }
}

const EPHEMERAL: ListenAddress = { kind: 'tcp', host: '127.0.0.1', port: 0, text: '127.0.0.1:0' };

function socketIn({ link }: PrivateFolder): ListenAddress {
  const path = join(link, SOCKET_FILE);
  return { kind: 'unix', path, text: `unix:${path}` };
}

export const SOCKET_FILE = 'proxy.sock';
