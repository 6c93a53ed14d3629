import {
  createSecureServer,
  type Http2SecureServer,
  type Http2Session,
  type IncomingHttpHeaders,
  type SecureServerOptions,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer as createTlsServer } from 'node:tls';
import type { Pair } from './certificates.ts';
import { PREFACE, settings } from './h2-frames.ts';
import { FramePeer, type PeerOptions } from './h2-peer.ts';
import { listening } from './listening.ts';

/** A request as Node's server got it. */
export interface SeenRequest {
  readonly stream: ServerHttp2Stream;
  /** As Node has them; those of one name are joined or a list. */
  readonly fields: IncomingHttpHeaders;
  /** Names and values by turns, as they came. */
  readonly raw: readonly string[];
  readonly session: Http2Session;
  /** Of its body, when it has ended. */
  readonly bytes: Promise<Buffer>;
  trailers: IncomingHttpHeaders | null;
  /** Resolves when the stream is gone: the code that it ended with. */
  readonly closed: Promise<number>;
}

export interface NodeOrigin {
  readonly port: number;
  readonly server: Http2SecureServer;
  readonly requests: readonly SeenRequest[];
  readonly sessions: readonly Http2Session[];
  /** The next request that comes, or has come and was not asked for yet. */
  next(): Promise<SeenRequest>;
}

export interface NodeOriginOptions extends SecureServerOptions {
  readonly tls: Pair;
  /** An address of loopback. */
  readonly host?: string;
  /** Called for each request; without it a test answers by hand. */
  readonly onRequest?: (request: SeenRequest) => void;
  /** Bodies are read as they come; true by default. What nobody reads Node resets with NO_ERROR after its answer. */
  readonly reads?: boolean;
}

/** An origin that Node's HTTP/2 answers for, with its stream API; by `allowHTTP1` it offers HTTP/1.1 besides. */
export async function startNodeOrigin(options: NodeOriginOptions): Promise<NodeOrigin> {
  const { tls, host, onRequest, reads = true, ...more } = options;
  const requests: SeenRequest[] = [];
  const sessions: Http2Session[] = [];
  const waiting: ((request: SeenRequest) => void)[] = [];
  let asked = 0;
  const server = createSecureServer({ ...more, ...tls });
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => {});
  });
  server.on('sessionError', () => {});
  server.on('tlsClientError', () => {});
  // The types do not know of the fourth argument: names and values by turns.
  server.on('stream', (stream: ServerHttp2Stream, fields, _flags, ...rest: unknown[]) => {
    const request = seen(stream, { fields, raw: rest[0] as string[], reads });
    requests.push(request);
    waiting.shift()?.(request);
    onRequest?.(request);
  });
  const port = await listening(server, host);
  const next = (): Promise<SeenRequest> => {
    const there = requests[asked++];
    return there === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(there);
  };
  return { port, server, requests, sessions, next };
}

interface Arrival extends Pick<SeenRequest, 'fields' | 'raw'>, Required<Pick<NodeOriginOptions, 'reads'>> {}

function seen(stream: ServerHttp2Stream, { fields, raw, reads }: Arrival): SeenRequest {
  const pieces: Buffer[] = [];
  const request: SeenRequest = {
    stream,
    fields,
    raw,
    session: stream.session as Http2Session, // a stream that was just opened has one
    bytes: new Promise((resolve) => stream.on('end', () => resolve(Buffer.concat(pieces)))),
    trailers: null,
    closed: new Promise((resolve) => stream.on('close', () => resolve(stream.rstCode))),
  };
  stream.on('error', () => {});
  stream.on('trailers', (trailers) => {
    request.trailers = trailers;
  });
  if (reads) stream.on('data', (bytes: Buffer) => pieces.push(bytes));
  return request;
}

/** Answers every request with a text; one whose client has left already is left alone. */
export const answering =
  (text: string) =>
  ({ stream }: Pick<SeenRequest, 'stream'>): void => {
    if (stream.destroyed || stream.closed) return;
    stream.respond({ ':status': 200 });
    stream.end(text);
  };

/** The values of a field as they came, several where there were several. */
export const rawValues = ({ raw }: Pick<SeenRequest, 'raw'>, name: string): readonly string[] =>
  raw.filter((_value, index) => index % 2 === 1 && raw[index - 1] === name);

export interface FrameOrigin {
  readonly port: number;
  readonly connections: readonly FramePeer[];
  next(): Promise<FramePeer>;
}

export interface FrameOriginOptions extends PeerOptions {
  readonly tls: Pair;
  readonly settings?: Parameters<typeof settings>[0];
  readonly onConnection?: (connection: FramePeer) => void;
}

/** An origin that a test answers by hand, frame by frame. It has read the preface and sent its settings. */
export async function startFrameOrigin({ tls, onConnection, ...options }: FrameOriginOptions): Promise<FrameOrigin> {
  const connections: FramePeer[] = [];
  const waiting: ((connection: FramePeer) => void)[] = [];
  let asked = 0;
  const server = createTlsServer({ ...tls, ALPNProtocols: ['h2'] }, (socket) => {
    const connection = new FramePeer(socket, options, PREFACE.length);
    connection.send(settings(options.settings));
    connections.push(connection);
    waiting.shift()?.(connection);
    onConnection?.(connection);
  });
  server.on('tlsClientError', () => {});
  const port = await listening(server);
  const next = (): Promise<FramePeer> => {
    const there = connections[asked++];
    return there === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(there);
  };
  return { port, connections, next };
}
