import { createHash } from 'node:crypto';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createSecureServer } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { listening } from './listening.ts';
import { certificateFor, SECRET } from './scene.ts';

/** A request as the origin got it, the refused ones too. */
export interface Seen {
  readonly protocol: 'h1' | 'h2' | 'ws';
  readonly method: string;
  readonly path: string;
  /** It came with the credential, so it was answered. */
  readonly authorized: boolean;
  readonly headers: IncomingMessage['headers'];
}

export type Answer = (request: IncomingMessage, response: ServerResponse, path: string) => void;
export type Switch = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export interface ClientOriginOptions {
  readonly names?: readonly string[];
  /** `h2` speaks both versions and lets the client choose, as most of the web does. */
  readonly speaks?: 'plain' | 'h1' | 'h2';
  /** Default: method, number of bytes and SHA-256 of the body, on a line. */
  readonly answer?: Answer;
  /** After the credential was found right. */
  readonly onUpgrade?: Switch;
  /** Fields that carry the credential; each is looked for as it stands. */
  readonly credentials?: Readonly<Record<string, readonly string[]>>;
  readonly host?: string;
  readonly port?: number;
}

export interface ClientOrigin {
  readonly port: number;
  /** What arrived since this was asked for. */
  taken(): readonly Seen[];
}

export const basicOf = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

const CREDENTIALS = { authorization: [`Bearer ${SECRET}`, basicOf('x-access-token', SECRET)] };

/** A real server with a certificate of the tests' own authority: 401 to whatever comes without the injected credential. */
export async function startClientOrigin(options: ClientOriginOptions = {}): Promise<ClientOrigin> {
  const { answer = echo, credentials = CREDENTIALS } = options;
  let seen: Seen[] = [];
  const note = (request: IncomingMessage, protocol: Seen['protocol']): Seen => {
    const { method = '', url = '', headers } = request;
    const authorized = Object.entries(credentials).some(([field, values]) => values.includes(String(headers[field])));
    const one = { protocol, method, path: url, authorized, headers };
    seen.push(one);
    return one;
  };
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const { authorized, path } = note(request, request.httpVersionMajor === 2 ? 'h2' : 'h1');
    if (authorized) answer(request, response, path.split('?')[0] ?? '');
    else response.writeHead(401, { 'www-authenticate': 'Basic realm="origin"' }).end('no credential\n');
  };
  const server = serverFor(options, handle);
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {});
    if (note(request, 'ws').authorized && options.onUpgrade !== undefined) options.onUpgrade(request, socket, head);
    else socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });
  const port = await listening(server, options.host, options.port);
  const taken = (): readonly Seen[] => {
    const before = seen;
    seen = [];
    return before;
  };
  return { port, taken };
}

type Handle = (request: IncomingMessage, response: ServerResponse) => void;

function serverFor({ speaks = 'h1', names = ['origin.test'] }: ClientOriginOptions, handle: Handle): Server {
  if (speaks === 'plain') return createHttpServer(handle);
  if (speaks === 'h1') return createHttpsServer(certificateFor(...names), handle);
  const server = createSecureServer({ ...certificateFor(...names), allowHTTP1: true });
  // The compatible API has what the handlers use of the other.
  server.on('request', (request, response) => {
    handle(request as unknown as IncomingMessage, response as unknown as ServerResponse);
  });
  return server;
}

/** Tells what arrived, so that a client shows whether it was whole. */
export const echo: Answer = (request, response) => {
  const hash = createHash('sha256');
  let bytes = 0;
  request.on('data', (piece: Buffer) => {
    bytes += piece.length;
    hash.update(piece);
  });
  request.on('end', () => response.end(`${request.method} ${bytes} ${hash.digest('hex')}\n`));
};

export const MIB = 'x'.repeat(1024 * 1024);

/** What `echo` says of a body. */
export const echoed = (method: string, body = ''): string =>
  `${method} ${body.length} ${createHash('sha256').update(body).digest('hex')}\n`;
