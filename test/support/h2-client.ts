import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { closeAfterTest } from './closing.ts';
import { connectTunnel } from './raw-client.ts';

export interface H2Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly raw: readonly string[];
  readonly interim: readonly number[];
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders | null;
  readonly rstCode: number;
  readonly stream: ClientHttp2Stream;
}

/** Opens a tunnel and speaks TLS in it; resolves when ALPN has decided. */
export async function secureTunnel(
  proxyPort: number,
  authority: string,
  ca: string,
  alpn: readonly string[] = ['h2'],
): Promise<TLSSocket> {
  const { socket } = await connectTunnel(proxyPort, authority);
  socket.removeAllListeners('data');
  const servername = authority.split(':')[0] ?? '';
  const secure = connectTls({ socket, servername, ca, ALPNProtocols: [...alpn] });
  await new Promise<void>((resolve, reject) => secure.once('secureConnect', resolve).once('error', reject));
  return secure;
}

/** A client of HTTP/2 inside an intercepted tunnel. */
export async function h2Session(proxyPort: number, authority: string, ca: string): Promise<ClientHttp2Session> {
  const socket = await secureTunnel(proxyPort, authority, ca);
  const session = connect(`https://${authority}`, { createConnection: () => socket });
  session.on('error', () => {});
  closeAfterTest(session, () => session.destroy());
  return session;
}

/** Sends one request and waits for the end of its stream, whatever that is. */
export function h2Request(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Buffer | readonly Buffer[],
  trailers?: OutgoingHttpHeaders,
): Promise<H2Answer> {
  const stream = session.request(headers, {
    endStream: body === undefined,
    ...(trailers === undefined ? {} : { waitForTrailers: true }),
  });
  if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  const parts = body === undefined ? [] : Array.isArray(body) ? body : [body];
  for (const part of parts) stream.write(part);
  if (body !== undefined) stream.end();
  return h2Answer(stream);
}

export function h2Answer(stream: ClientHttp2Stream): Promise<H2Answer> {
  const chunks: Buffer[] = [];
  const interim: number[] = [];
  let head: IncomingHttpHeaders = {};
  let raw: readonly string[] = [];
  let trailers: IncomingHttpHeaders | null = null;
  stream.on('headers', (headers) => interim.push(Number(headers[':status'])));
  stream.on('response', (headers, _flags, list) => {
    head = headers;
    raw = list as unknown as string[];
  });
  stream.on('trailers', (headers) => {
    trailers = headers;
  });
  stream.on('data', (bytes: Buffer) => chunks.push(bytes));
  stream.on('error', () => {});
  return new Promise((resolve) => {
    stream.once('close', () =>
      resolve({
        status: Number(head[':status'] ?? 0),
        headers: head,
        raw,
        interim,
        body: Buffer.concat(chunks),
        trailers,
        rstCode: stream.rstCode ?? 0,
        stream,
      }),
    );
  });
}
