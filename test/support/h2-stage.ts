import type { ClientHttp2Session, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
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
  /** The policy with other keys of its last rule, for reloads. */
  policy(rule?: string): string;
}

export interface H2SceneOptions extends Partial<Pick<PosternOptions, 'nodeOptions' | 'clientsMaySee'>> {
  /** Keys of the rule that allows everything on the origin with a bearer. */
  readonly rule?: string;
  /** More rules, before that one. */
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
  { rule, rules = '', limits, ...options }: H2SceneOptions,
): Promise<H2Scene<Origin>> {
  const policy = (keys = ''): string => `version: 1
secrets: { token: { file: ../secret.txt } }
rules:
${rules}
  - name: all
    hosts: [origin.test]
    ports: [${origin.port}]
    inject: [{ bearer: "\${token}" }]
    ${keys}
`;
  const postern = await startPostern({ ...loopback(limits), ...options, policies: policy(rule) });
  return { postern, origin, way: through(postern, `origin.test:${origin.port}`), policy };
}

export interface Answer {
  /** 0 if there was none. */
  readonly status: number;
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
  const pieces: Buffer[] = [];
  const interim: number[] = [];
  let status = 0;
  let raw: readonly string[] = [];
  let got: IncomingHttpHeaders | null = null;
  stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
  stream.on('headers', (head) => interim.push(head[':status'] ?? 0));
  stream.on('continue', () => interim.push(100));
  // The types do not know of the third argument: names and values by turns.
  stream.on('response', (head, _flags, ...rest: unknown[]) => {
    status = head[':status'] ?? 0;
    raw = rest[0] as string[];
  });
  stream.on('trailers', (head) => {
    got = head;
  });
  stream.on('data', (bytes: Buffer) => pieces.push(bytes));
  stream.on('error', () => {});
  if (body !== undefined || trailers !== undefined) stream.end(body ?? '');
  return new Promise((resolve) => {
    stream.on('close', () =>
      resolve({ status, raw, interim, body: Buffer.concat(pieces), trailers: got, code: stream.rstCode }),
    );
  });
}
