import type { IncomingMessage } from 'node:http';
import { createRequire } from 'node:module';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Switch } from './client-origin.ts';

/** What is used of the package `ws`, which `test/clients/node` brings. */
interface Peer {
  readonly extensions: string;
  readonly protocol: string;
  on(event: 'message', listener: (data: Buffer, isBinary: boolean) => void): void;
  on(event: 'error', listener: () => void): void;
  send(data: Buffer, options: { readonly binary: boolean }): void;
}

interface PeerServer {
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, done: (peer: Peer) => void): void;
}

interface Ws {
  readonly WebSocketServer: new (options: object) => PeerServer;
}

export interface EchoServer {
  readonly onUpgrade: Switch;
  /** What was agreed on with each client, as `Sec-WebSocket-Extensions` has it. */
  readonly extensions: readonly string[];
}

/** Sends every message back, with permessage-deflate where the client offers it. */
export function echoServer(): EchoServer {
  const extensions: string[] = [];
  let server: PeerServer | null = null;
  const onUpgrade: Switch = (request, socket, head) => {
    server ??= startServer();
    server.handleUpgrade(request, socket, head, (peer) => {
      extensions.push(peer.extensions);
      peer.on('error', () => {});
      peer.on('message', (data, binary) => peer.send(data, { binary }));
    });
  };
  return { onUpgrade, extensions };
}

function startServer(): PeerServer {
  const from = fileURLToPath(new URL('../clients/node/package.json', import.meta.url));
  const { WebSocketServer } = createRequire(from)('ws') as Ws;
  return new WebSocketServer({ noServer: true, perMessageDeflate: true, maxPayload: 64 * 1024 * 1024 });
}
