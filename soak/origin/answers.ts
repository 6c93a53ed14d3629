import type { IncomingMessage, ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { sha256 as sha256Of } from '../client/expect.ts';
import { patternOf } from '../pattern.ts';
import type { Credentials } from '../world/credentials.ts';
import { faults } from './faults.ts';

export interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** What follows the first segment of the path. */
  readonly rest: string;
  readonly credentials: Credentials;
}

export type Respond = (asked: Asked) => void | Promise<void>;

/** What the origin answers, by the first segment of the path. Everything but `open` wants a credential. */
const answers: Readonly<Record<string, Respond>> = {
  ...faults,
  open: ({ response, rest }) => void response.end(patternOf(Number(rest))),
  bytes({ response, rest }) {
    response.setHeader('content-length', rest);
    response.end(patternOf(Number(rest)));
  },
  async chunked({ response, rest }) {
    const body = patternOf(Number(rest));
    for (let at = 0; at < body.length; at += 10_000) {
      response.write(body.subarray(at, at + 10_000));
      await delay(1);
    }
    response.end();
  },
  /** Says what arrived: the oracle of uploads and placeholders. */
  async seen({ request, response }) {
    const body = await buffer(request);
    const sha256 = sha256Of(body);
    const { method, trailers } = request;
    const member = sha256Of(secretIn(body.toString(), request.headers['content-type'] ?? ''));
    response.end(JSON.stringify({ method, bytes: body.length, sha256, trailers, member }));
  },
  /** Which of the values of the rotated secret it was sent; never the value, which would be masked. */
  value({ request, response, credentials }) {
    response.end(String(credentials.rotating.indexOf(bearerOf(request) ?? '')));
  },
  interim({ response }) {
    response.writeProcessing();
    response.writeEarlyHints({ link: '</style.css>; rel=preload' }, () => {
      response.writeHead(200, { trailer: 'x-check' });
      response.write('hints');
      response.addTrailers({ 'x-check': 'after' });
      response.end();
    });
  },
  async echo(asked) {
    await echo(asked);
  },
};

/** Answers with the credential that it was sent, in the named way. */
async function echo({ request, response, rest }: Asked): Promise<void> {
  const secret = bearerOf(request) ?? '';
  response.setHeader('x-echo', secret);
  if (rest === 'gzip') {
    response.setHeader('content-encoding', 'gzip');
    response.end(gzipSync(`{"value":"${secret}"}`));
  } else if (rest === 'chunked') {
    for (const piece of [`{"value":"`, secret.slice(0, 7), secret.slice(7), '"}']) {
      response.write(piece);
      await delay(2);
    }
    response.end();
  } else if (rest === 'events') {
    response.setHeader('content-type', 'text/event-stream');
    for (let at = 0; at < 3; at++) {
      response.write(`data: ${at} ${secret}\n\n`);
      await delay(2);
    }
    response.end();
  } else response.end(Buffer.from(`{"value":"${secret}"}`));
}

/** What a form or JSON says of `client_secret`, as its reader understands it; '' where neither is there. */
function secretIn(body: string, type: string): string {
  if (type === 'application/x-www-form-urlencoded') return new URLSearchParams(body).get('client_secret') ?? '';
  return type === 'application/json' ? String(JSON.parse(body).client_secret) : '';
}

function bearerOf({ headers }: IncomingMessage): string | undefined {
  return /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
}

/** One request at the origin: 401 without a credential that it knows, 404 for what it does not. */
export function answer(request: IncomingMessage, response: ServerResponse, credentials: Credentials): void {
  request.on('error', () => {}); // clients and proxies that leave are part of the run
  response.on('error', () => {});
  const [, name = '', rest = ''] = /^\/([a-z-]+)\/?([^?]*)/.exec(request.url ?? '') ?? [];
  const respond = Object.hasOwn(answers, name) ? answers[name] : undefined;
  const isKnown = name === 'open' || name === 'seen' || credentials.isValid(bearerOf(request) ?? '');
  if (respond === undefined || !isKnown) {
    response.statusCode = respond === undefined ? 404 : 401;
    response.end();
    return;
  }
  void Promise.resolve(respond({ request, response, rest, credentials })).catch(() => response.destroy());
}
