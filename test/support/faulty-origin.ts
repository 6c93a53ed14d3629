import { createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { Pair } from './certificates.ts';
import { listening } from './listening.ts';

/** How a peer fails: `cut` is an end without close_notify inside TLS; `trickle` goes on, one piece after another. */
export type Manner = 'reset' | 'close' | 'cut' | 'silence' | 'trickle';

/** How far an origin goes along with a connection before it fails. */
export type OriginPoint = 'accepted' | 'hello-read' | 'request-read' | 'answering' | 'answered';

export interface FaultyOriginOptions {
  readonly point: OriginPoint;
  readonly manner: Manner;
  /** TLS with this certificate. */
  readonly tls?: Pair;
  /** What is sent at the point: part of an answer, or a whole one. */
  readonly sent?: string;
  /** What follows it piece by piece, for `trickle`. */
  readonly trickled?: readonly string[];
  /** Reads nothing more from the point on. */
  readonly deaf?: boolean;
}

export interface FaultyOrigin {
  readonly port: number;
  /** Connections so far, and those that the other side has not closed. */
  readonly accepted: number;
  readonly open: number;
  /** Closes those. */
  end(): void;
}

const TRICKLE_MS = 100;
/** RFC 8446 section 5.1: the head of a record of 16 KiB, whose bytes can come for a long time. */
const LONG_RECORD = ['\x16', '\x03', '\x03', '\x40', '\x00', ...new Array<string>(100).fill('\x00')];

/** An origin that goes along up to a point, and then fails in one manner on every connection. */
export async function startFaultyOrigin(options: FaultyOriginOptions): Promise<FaultyOrigin> {
  let accepted = 0;
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (raw) => {
    accepted++;
    open.add(raw);
    raw.on('error', () => {});
    raw.on('close', () => open.delete(raw));
    serve(raw, options);
  });
  const port = await listening(server);
  return {
    port,
    get accepted() {
      return accepted;
    },
    get open() {
      return open.size;
    },
    end: () => {
      for (const socket of open) socket.destroy();
    },
  };
}

function serve(raw: Socket, options: FaultyOriginOptions): void {
  if (options.point === 'accepted' || options.point === 'hello-read') {
    raw.resume();
    raw.on('end', () => raw.end());
    if (options.point === 'accepted') fail(raw, raw, options);
    else raw.once('data', () => fail(raw, raw, { trickled: LONG_RECORD, ...options }));
  } else {
    serveRequest(raw, options);
  }
}

function serveRequest(raw: Socket, options: FaultyOriginOptions): void {
  const { tls, sent, deaf } = options;
  const socket =
    tls === undefined ? raw : new TLSSocket(raw, { isServer: true, secureContext: createSecureContext(tls) });
  socket.on('error', () => {});
  socket.on('end', () => raw.destroy());
  let received = '';
  socket.on('data', (bytes: Buffer) => {
    const isRead = received.includes('\r\n\r\n');
    received += bytes.toString('latin1');
    if (isRead || !received.includes('\r\n\r\n')) return;
    if (deaf === true) socket.pause();
    if (sent === undefined) fail(socket, raw, options);
    else socket.write(sent, 'latin1', () => fail(socket, raw, options));
  });
}

function fail(socket: Socket, raw: Socket, { manner, trickled = [] }: FaultyOriginOptions): void {
  if (manner === 'reset') raw.resetAndDestroy();
  else if (manner === 'close') socket.end();
  else if (manner === 'cut') raw.end();
  else if (manner === 'trickle') trickle(socket, trickled);
}

/** Sends one piece after another; the connection stays as it is after the last. */
export function trickle(socket: Socket, pieces: readonly string[]): void {
  let at = 0;
  const timer = setInterval(() => {
    const piece = pieces[at++];
    if (piece === undefined) clearInterval(timer);
    else socket.write(piece, 'latin1');
  }, TRICKLE_MS);
  socket.on('close', () => clearInterval(timer));
}
