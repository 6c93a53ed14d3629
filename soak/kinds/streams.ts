import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { Attempt } from '../client/attempt.ts';
import { check, sha256 } from '../client/expect.ts';
import { patternOf } from '../pattern.ts';
import type { Kind } from './kind.ts';

const HOST = 'streams.origin.test';
const SIZES = [0, 1, 900, 16_000, 70_000, 400_000] as const;

/** Streams of HTTP/2 beside one another on one connection: some are read, some sent, some left in the middle. */
export const streams: Kind = {
  name: 'streams',
  weight: 12,
  codes: ['REQUEST_INVALID'],
  async run(attempt) {
    const session = await open(attempt);
    const one = () => attempt.random.one([download, download, upload, cancelled])(session, attempt);
    try {
      await Promise.all(Array.from({ length: attempt.random.between(1, 20) }, one));
      // In order, or with what was left of it.
      if (attempt.random.next() < 0.5) await new Promise<void>((resolve) => session.close(resolve));
    } finally {
      session.destroy();
    }
  },
};

/** A connection that speaks HTTP/2 through the interception; it ends with the attempt. */
async function open(attempt: Attempt): Promise<ClientHttp2Session> {
  const authority = `${HOST}:${attempt.world.ports.streams}`;
  const { socket } = await attempt.tunnel(authority);
  socket.removeAllListeners('data');
  const ca = attempt.world.proxyCa;
  const secure = connectTls({ socket, servername: HOST, ca, ALPNProtocols: ['h2', 'http/1.1'] });
  await new Promise((resolve, reject) => secure.once('secureConnect', resolve).once('error', reject));
  check(secure.alpnProtocol === 'h2', `expected h2, agreed on ${secure.alpnProtocol}`);
  const session = connect(`https://${authority}`, { createConnection: () => secure });
  session.on('error', () => {});
  return session;
}

async function download(session: ClientHttp2Session, attempt: Attempt): Promise<void> {
  const size = attempt.random.one(SIZES);
  const path = attempt.random.one([`/bytes/${size}`, `/chunked/${size}`]);
  attempt.last = `h2 GET ${path}`;
  const { status, body } = await answered(session.request({ ':path': path, authorization: 'Bearer of-the-client' }));
  check(status === 200, `GET ${path}: expected 200, got ${status}`);
  check(body.equals(patternOf(size)), `GET ${path} has another body`);
}

async function upload(session: ClientHttp2Session, attempt: Attempt): Promise<void> {
  const body = patternOf(attempt.random.one(SIZES));
  const stream = session.request({ ':method': 'POST', ':path': '/seen' });
  stream.end(body);
  const answer = await answered(stream);
  check(answer.status === 200, `POST /seen: expected 200, got ${answer.status}`);
  const seen: unknown = JSON.parse(answer.body.toString());
  const sum = seen !== null && typeof seen === 'object' && 'sha256' in seen ? seen.sha256 : null;
  check(sum === sha256(body), 'another body arrived');
}

/** A client that changes its mind, at a different place each time. */
async function cancelled(session: ClientHttp2Session, attempt: Attempt): Promise<void> {
  const stream = session.request({ ':path': attempt.random.one(['/bytes/1000000', '/chunked/400000', '/silent']) });
  stream.on('error', () => {});
  const closed = new Promise((resolve) => stream.once('close', resolve));
  await delay(attempt.random.between(0, 20));
  stream.close(constants.NGHTTP2_CANCEL);
  await closed;
}

function answered(stream: ClientHttp2Stream): Promise<{ readonly status: number; readonly body: Buffer }> {
  const pieces: Buffer[] = [];
  let status = 0;
  stream.on('response', (headers: IncomingHttpHeaders) => {
    status = Number(headers[':status']);
  });
  stream.on('data', (piece: Buffer) => pieces.push(piece));
  return new Promise((resolve, reject) => {
    stream.on('error', reject);
    stream.on('close', () => {
      if (stream.rstCode === constants.NGHTTP2_NO_ERROR) resolve({ status, body: Buffer.concat(pieces) });
      else reject(new Error(`the stream was reset (${stream.rstCode})`));
    });
  });
}
