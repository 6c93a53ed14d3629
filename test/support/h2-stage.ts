import type {
  ClientHttp2Session,
  ClientHttp2Stream,
  IncomingHttpHeaders,
  IncomingHttpStatusHeader,
  OutgoingHttpHeaders,
} from 'node:http2';
import type { Socket } from 'node:net';
import {
  type FrameOrigin,
  type FrameOriginOptions,
  type NodeOrigin,
  type NodeOriginOptions,
  startFrameOrigin,
  startNodeOrigin,
} from './h2-origins.ts';
import { through, type Way } from './h2-ways.ts';
import { type Postern, type PosternOptions, startPostern } from './postern.ts';
import { certificateFor, loopback } from './scene.ts';

export interface H2Scene<Origin> {
  readonly postern: Postern;
  readonly origin: Origin;
  readonly way: Way;
  /** The policy with other keys of its last rule, or with other rules before it, for reloads. */
  policy(rule?: string, rules?: string): string;
}

export interface H2SceneOptions extends Partial<Pick<PosternOptions, 'nodeOptions' | 'clientsMaySee' | 'settings'>> {
  /** Keys of the rule that allows everything on the origin with a bearer. */
  readonly rule?: string;
  /** More rules, before that one; `PORT` stands for the origin's. */
  readonly rules?: string;
  readonly limits?: Readonly<Record<string, unknown>>;
}

/** An origin of Node's HTTP/2, and a Postern that injects a bearer into everything that goes to it. */
export async function startNodeScene(
  origin: Omit<NodeOriginOptions, 'tls'>,
  options: H2SceneOptions = {},
): Promise<H2Scene<NodeOrigin>> {
  return await sceneAround(await startNodeOrigin({ tls: certificateFor('origin.test'), ...origin }), options);
}

/** The same with an origin that is answered for by hand. */
export async function startFrameScene(
  origin: Omit<FrameOriginOptions, 'tls'>,
  options: H2SceneOptions = {},
): Promise<H2Scene<FrameOrigin>> {
  return await sceneAround(await startFrameOrigin({ tls: certificateFor('origin.test'), ...origin }), options);
}

async function sceneAround<Origin extends { readonly port: number }>(
  origin: Origin,
  { rule, rules, limits, settings, ...options }: H2SceneOptions,
): Promise<H2Scene<Origin>> {
  const base = loopback(limits);
  const policy: H2Scene<Origin>['policy'] = (keys, before = rules) => policyFor(origin.port, keys, before);
  const postern = await startPostern({
    ...base,
    ...options,
    settings: { ...base.settings, ...settings },
    policies: policy(rule),
  });
  return { postern, origin, way: through(postern, `origin.test:${origin.port}`), policy };
}

/** Allows everything on `origin.test` at that port, with a bearer; `rule` and `rules` as for a scene. */
export const policyFor = (port: number, rule = '', rules = ''): string => `version: 1
secrets: { token: { file: ../secret.txt } }
rules:
${rules.replaceAll('PORT', String(port))}
  - name: all
    hosts: [origin.test]
    ports: [${port}]
    inject: [{ bearer: "\${token}" }]
    ${rule}
`;

export interface Answer {
  /** 0 if there was none. */
  readonly status: number;
  /** As Node has them; those of one name are joined or a list. */
  readonly fields: IncomingHttpHeaders;
  /** Names and values by turns, as they came. */
  readonly raw: readonly string[];
  readonly interim: readonly number[];
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders | null;
  /** The error that the stream ended with; 0 is none. */
  readonly code: number;
}

export interface AskOptions {
  readonly body?: Buffer | string;
  readonly trailers?: OutgoingHttpHeaders;
}

/** Asks by a client of Node's, and resolves when the stream is gone, however it went. */
export function ask(
  session: ClientHttp2Session,
  fields: OutgoingHttpHeaders,
  { body, trailers }: AskOptions = {},
): Promise<Answer> {
  const stream = session.request(fields, {
    endStream: body === undefined && trailers === undefined,
    waitForTrailers: trailers !== undefined,
  });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
  if (body !== undefined || trailers !== undefined) stream.end(body ?? '');
  return answerOn(stream);
}

/** What a stream brings, for a request that a test sends by hand; resolves when the stream is gone, however it went. */
export function answerOn(stream: ClientHttp2Stream): Promise<Answer> {
  const pieces: Buffer[] = [];
  const interim: number[] = [];
  let fields: IncomingHttpHeaders & IncomingHttpStatusHeader = {};
  let raw: readonly string[] = [];
  let trailers: IncomingHttpHeaders | null = null;
  stream.on('headers', (head) => interim.push(head[':status'] ?? 0));
  // The types do not know of the third argument: names and values by turns.
  stream.on('response', (head, _flags, ...rest: unknown[]) => {
    fields = head;
    raw = rest[0] as string[];
  });
  stream.on('trailers', (head) => {
    trailers = head;
  });
  stream.on('data', (bytes: Buffer) => pieces.push(bytes));
  stream.on('error', () => {});
  return new Promise((resolve) => {
    stream.on('close', () => {
      const { ':status': status = 0 } = fields;
      resolve({ status, fields, raw, interim, body: Buffer.concat(pieces), trailers, code: stream.rstCode });
    });
  });
}

/** Asks by HTTP/1.1, once, and resolves with all that comes until the end. */
export async function askOverH1(socket: Socket, authority: string): Promise<string> {
  socket.write(`GET / HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`);
  let text = '';
  for await (const bytes of socket) text += bytes;
  return text;
}
