import type { ClientHttp2Session } from 'node:http2';
import { h2Session } from './h2-client.ts';
import { type H2Origin, type H2OriginOptions, startH2Origin } from './h2-origin.ts';
import { type Postern, type PosternOptions, startPostern } from './postern.ts';
import { certificateFor, loopback } from './scene.ts';

export interface H2Scene {
  readonly origin: H2Origin;
  readonly postern: Postern;
  /** `origin.test:PORT`. */
  readonly authority: string;
  /** A new client connection that speaks HTTP/2 through the interception. */
  session(): Promise<ClientHttp2Session>;
}

export interface H2SceneOptions extends Partial<H2OriginOptions> {
  /** More rules, before the one that allows everything on the origin with a bearer; `PORT` stands for the origin's. */
  readonly rules?: string;
  /** Keys of the last rule. */
  readonly rule?: string;
  readonly limits?: Readonly<Record<string, unknown>>;
  readonly postern?: Partial<PosternOptions>;
}

/** An origin of HTTP/2, and a Postern that injects a bearer into everything that goes to it. */
export async function startH2Scene({
  handler = (stream) => {
    stream.respond({ ':status': 200 });
    stream.end('ok');
  },
  rules = '',
  rule = '',
  limits = {},
  postern: more = {},
  ...own
}: H2SceneOptions): Promise<H2Scene> {
  const origin = await startH2Origin({ tls: certificateFor('origin.test'), handler, ...own });
  const base = loopback(limits);
  const policies = policyFor(origin.port, rules, rule);
  const postern = await startPostern({ policies, ...base, ...more, settings: { ...base.settings, ...more.settings } });
  const authority = `origin.test:${origin.port}`;
  return { origin, postern, authority, session: () => h2Session(postern.proxyPort, authority, postern.ca) };
}

export const policyFor = (port: number, rules = '', rule = ''): string => `version: 1
secrets:
  token: { file: ../secret.txt }
rules:
${rules.replaceAll('PORT', String(port))}
  - name: all
    hosts: [origin.test]
    ports: [${port}]
    inject: [{ bearer: "\${token}" }]
    ${rule}
`;
