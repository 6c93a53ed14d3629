import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer as createHttp, type Server as HttpServer, type IncomingMessage } from 'node:http';
import { createSecureServer, type ServerHttp2Session } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { createServer as createTcp, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Certificates } from '../../bench/harness/certificates.ts';
import type { Credentials } from '../world/credentials.ts';
import { answer } from './answers.ts';
import { startNames } from './names.ts';

export interface Ports {
  readonly tls: number;
  readonly plain: number;
  /** HTTP/2 over TLS. */
  readonly streams: number;
  /** TLS with a certificate that nobody trusts. */
  readonly stranger: number;
  /** TCP that sends back what it gets. */
  readonly raw: number;
  /** Nothing listens here. */
  readonly closed: number;
  /** DNS. */
  readonly names: number;
}

export interface Origins {
  readonly ports: Ports;
  /** Ends the connections on which nothing is asked, so that no proxy has one left. */
  closeIdle(): void;
  /** The paths that are being answered: what keeps a proxy's connection open. */
  busy(): readonly string[];
  close(): Promise<void>;
}

/** Everything outside of the proxy, on loopback. Node's own HTTP server answers: an independent reader of what Postern sends. */
export async function startOrigins(certificates: Certificates, credentials: Credentials): Promise<Origins> {
  const pair = (cert: string, key: string) => ({ cert: readFileSync(cert), key: readFileSync(key) });
  const own = pair(certificates.originCert, certificates.originKey);
  const foreign = pair(certificates.strangerCert, certificates.strangerKey);
  const busy = new Set<string>();
  let asked = 0;
  const respond = (request: IncomingMessage, response: Parameters<typeof answer>[1]) => {
    const name = `${++asked} ${request.method} ${request.url}`;
    busy.add(name);
    response.on('close', () => busy.delete(name));
    answer(request, response, credentials);
  };
  const servers = {
    tls: createHttps(own, respond),
    plain: createHttp(respond),
    stranger: createHttps(foreign, respond),
  };
  const sessions = new Set<ServerHttp2Session>();
  // What both protocols have of requests and answers is all that is asked of them here.
  // One connection brings the streams of many clients, with all that none of them has read yet.
  const options = { ...own, maxSessionMemory: 1_000, streamResetBurst: 1_000_000, streamResetRate: 1_000_000 };
  const streams = createSecureServer(options, (request, response) => respond(request as never, response as never));
  streams.on('sessionError', () => {});
  streams.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
    session.once('close', () => sessions.delete(session));
  });
  const echo = createTcp({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  for (const server of Object.values(servers)) prepare(server);
  const [tls, plain, stranger, raw, h2] = [
    await listening(servers.tls),
    await listening(servers.plain),
    await listening(servers.stranger),
    await listening(echo),
    await listening(streams),
  ];
  const names = await startNames();
  const sockets = tracked([...Object.values(servers), echo, streams]);
  return {
    ports: { tls, plain, streams: h2, stranger, raw, closed: await closedPort(), names: names.port },
    closeIdle() {
      for (const server of Object.values(servers)) server.closeIdleConnections();
      for (const session of sessions) session.close();
    },
    busy: () => [...busy],
    async close() {
      for (const socket of sockets) socket.destroy();
      for (const server of [...Object.values(servers), echo, streams]) server.close();
      names.close();
    },
  };
}

function prepare(server: HttpServer): void {
  // The proxy decides how long an idle connection is kept, and no answer here is late by accident.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  server.headersTimeout = 0;
  server.on('clientError', (_error, socket) => socket.destroy());
  server.on('tlsClientError', () => {});
  server.on('upgrade', acceptWebSocket);
}

/** RFC 6455 section 4.2.2. Frames are not read: what comes goes back. */
function acceptWebSocket(request: IncomingMessage, socket: Duplex, early: Buffer): void {
  socket.on('error', () => {});
  const accept = createHash('sha1')
    .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n');
  socket.write(`Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
  socket.write(early);
  socket.pipe(socket);
}

function tracked(servers: readonly Server[]): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  for (const server of servers)
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
  return sockets;
}

function listening(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

/** A port that was free a moment ago, of a block that the system gives to nobody who does not ask for it. */
async function closedPort(): Promise<number> {
  for (let port = 20_001; port < 20_100; port++) {
    const server = createTcp();
    const isFree = await new Promise<boolean>((resolve) => {
      server.on('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
  throw new Error('no port is free');
}
