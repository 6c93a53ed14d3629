import { createHash } from 'node:crypto';
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';
import { answering, type Origin, type OriginOptions, startOrigin } from './origin.ts';
import { type Postern, startPostern } from './postern.ts';
import { connectTunnel, type RawClient } from './raw-client.ts';
import { certificateFor, loopback } from './scene.ts';

export const RECEIVED = 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nreceived';

export interface ForwardScene {
  readonly postern: Postern;
  /** What the client asks for. */
  readonly origin: Origin;
  /** `origin.test:PORT`. */
  readonly authority: string;
  /** Where it is forwarded to: `audit.test`. */
  readonly receiver: Origin;
  tunnel(): Promise<RawClient>;
}

export interface ForwardOptions {
  readonly receiver?: OriginOptions;
  /** Keys of the rule, beside hosts, ports and forward. */
  readonly rule?: string;
  /** Rules before it. */
  readonly rules?: (ports: { readonly origin: number; readonly receiver: number }) => string;
  readonly path?: string;
  /** Names of the receiver's certificate. */
  readonly names?: readonly string[];
  readonly limits?: Readonly<Record<string, unknown>>;
  readonly upstream?: Readonly<Record<string, unknown>>;
  readonly settings?: (port: number) => Readonly<Record<string, unknown>>;
  readonly policy?: string;
  readonly folder?: string;
}

export const forwardPolicy = (origin: number, url: string, rule = '', rules = '', head = ''): string => `version: 1
${head}
rules:
${rules}
  - name: forwarded
    hosts: [origin.test]
    schemes: [https, http]
    ports: [${origin}]
    forward: ${url}
    ${rule}
`;

export const forwardSettings = (
  port: number,
  { limits = {}, upstream = {} }: Pick<ForwardOptions, 'limits' | 'upstream'> = {},
) => ({
  upstream: {
    trust: ['origin-ca.pem'],
    hosts: { 'origin.test': ['127.0.0.1'], 'audit.test': ['127.0.0.1'] },
    ...upstream,
  },
  forward_to: [{ host: 'audit.test', ports: [port], addresses: ['127.0.0.0/8'] }],
  limits,
});

/** An origin that nothing may reach, a receiver in its place, and a Postern that forwards to it. Loopback is open to forwarding alone. */
export async function startForward(options: ForwardOptions = {}): Promise<ForwardScene> {
  const origin = await startOrigin({ tls: certificateFor('origin.test'), onConnection: answering(RECEIVED) });
  const receiver = await startOrigin({
    tls: certificateFor(...(options.names ?? ['audit.test'])),
    onConnection: answering(RECEIVED),
    ...options.receiver,
  });
  const rules = options.rules?.({ origin: origin.port, receiver: receiver.port });
  const url = `https://audit.test:${receiver.port}${options.path ?? '/in'}`;
  const postern = await startPostern({
    policies: options.policy ?? forwardPolicy(origin.port, url, options.rule, rules),
    files: loopback().files ?? {},
    settings: { ...forwardSettings(receiver.port, options), ...options.settings?.(receiver.port) },
    ...(options.folder === undefined ? {} : { folder: options.folder }),
  });
  const authority = `origin.test:${origin.port}`;
  const tunnel = async (): Promise<RawClient> => {
    const client = await connectTunnel(postern.proxyPort, authority);
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    return client;
  };
  return { postern, origin, authority, receiver, tunnel };
}

/** The heads that a receiver got on all of its connections. */
export const headsOf = ({ connections }: Origin): readonly string[] =>
  connections.flatMap(({ received }) => received.split(/(?<=\r\n\r\n)(?=[A-Z]+ )/));

/** The values of a field in a head, in order. */
export const valuesOf = (head: string, name: string): readonly string[] =>
  [...head.matchAll(new RegExp(`^${name}: ([^\r]*)\r$`, 'gim'))].map(([, value]) => value ?? '');

/** The claims of the one statement in a head, verified with the keys that the proxy publishes. */
export async function claimsIn(head: string, postern: Postern, audience: string): Promise<JWTPayload> {
  const [statement = ''] = valuesOf(head, 'X-Postern-Statement');
  const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', postern.adminUrl));
  const { payload } = await jwtVerify(statement, keys, { issuer: 'postern', audience, typ: 'postern-statement+jwt' });
  return payload;
}

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
export const acceptOf = (key: string): string => createHash('sha1').update(`${key}${GUID}`).digest('base64');
