import {
  createSecureServer,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Pair } from './certificates.ts';
import { closeAfterTest } from './closing.ts';

export type H2Handler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: readonly string[]) => void;

export interface H2Origin {
  readonly port: number;
  readonly server: Http2SecureServer;
  /** Every connection that was made, in order. */
  readonly sessions: readonly ServerHttp2Session[];
}

export interface H2OriginOptions {
  readonly tls: Pair;
  readonly handler: H2Handler;
  /** What it offers besides; `h2` alone by default. */
  readonly alpn?: readonly string[];
  readonly settings?: Parameters<typeof createSecureServer>[0]['settings'];
}

/** A server of HTTP/2 that speaks through the stream interface of `node:http2`. */
export async function startH2Origin({
  tls,
  handler,
  alpn = ['h2'],

  settings,
}: H2OriginOptions): Promise<H2Origin> {
  const server = createSecureServer({
    ...tls,
    ALPNProtocols: [...alpn],
    allowHTTP1: alpn.includes('http/1.1'),
    ...(settings === undefined ? {} : { settings }),
  });
  const sessions: ServerHttp2Session[] = [];
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => {});
  });
  server.on('sessionError', () => {});
  server.on(
    'stream',
    (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: readonly string[]) => {
      stream.on('error', () => {});
      handler(stream, headers, raw);
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closeAfterTest(server, () => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, server, sessions };
}
