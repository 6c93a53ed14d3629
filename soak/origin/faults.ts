import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { patternOf } from '../pattern.ts';
import type { Respond } from './answers.ts';

/**
 * Bytes on the connection itself, past everything that Node knows of HTTP. It is the request's: a response has none yet where the one before
 * it is not quite over.
 */
function raw({ socket }: IncomingMessage, text: string, then: 'end' | 'stay' = 'end'): void {
  socket.write(text, 'latin1');
  if (then === 'end') socket.end();
}

const whole = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** How the origin misbehaves, by name. What Postern must make of each stands in `kinds/origin-fails.ts`. */
export const faults: Readonly<Record<string, Respond>> = {
  /** A reset instead of an answer. */
  reset: ({ request }) => reset(request),
  /** Half of the body that was declared, then the end. */
  truncated({ request }) {
    raw(request, `HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n${patternOf(1000)}`);
  },
  'truncated-chunks'({ request }) {
    raw(request, `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n${patternOf(1000)}\r\n`);
  },
  /** A reset in the middle of the body. */
  'reset-later'({ request }) {
    request.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n${patternOf(1000)}`, () => reset(request));
  },
  async trickle({ response, rest }) {
    response.setHeader('content-length', rest);
    for (const byte of patternOf(Number(rest))) {
      if (response.destroyed) return;
      response.write(Buffer.of(byte));
      await delay(5);
    }
    response.end();
  },
  /** Bytes after the end: another answer, for whoever asks next on this connection. */
  surplus: ({ request }) => raw(request, whole('first') + whole('poison'), 'stay'),
  /** An orderly answer, and the end of the connection without a word of it. */
  closing: ({ request }) => raw(request, whole('last')),
  /** No answer at all. */
  silent() {},
  /** A beginning, and no end. */
  stalled: ({ response }) => void response.writeHead(200, { 'content-length': '2000' }).write(patternOf(1000)),
  'two-lengths'({ request }) {
    raw(request, 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!');
  },
  'no-http': ({ request }) => raw(request, 'SSH-2.0-OpenSSH_9.6\r\n\r\n'),
};

/** A reset of TCP; from inside TLS it is the socket below that has one. */
function reset({ socket }: IncomingMessage): void {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}
