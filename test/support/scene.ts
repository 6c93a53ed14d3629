import { TestAuthority, type Wish } from './certificates.ts';
import { type Origin, type OriginOptions, startOrigin } from './origin.ts';
import { type Postern, type PosternOptions, startPostern } from './postern.ts';
import { connectTunnel, type RawClient } from './raw-client.ts';

export const SECRET = 'real-secret-0123456789';

/** One authority for all origins of a test file: making its key is the slow part. */
const authority = new TestAuthority('Origin Root');

export interface Scene {
  readonly postern: Postern;
  readonly origin: Origin;
  /** `origin.test:PORT`. */
  readonly authority: string;
  /** A client inside the intercepted tunnel, speaking TLS that our CA vouches for. */
  tunnel(fields?: string): Promise<RawClient>;
}

export interface SceneOptions extends Partial<PosternOptions> {
  /** More rules, before the one that allows everything on the origin with a bearer. */
  readonly rules?: string;
  /** Keys of the last rule. */
  readonly rule?: string;
  readonly origin?: OriginOptions;
  readonly limits?: Readonly<Record<string, unknown>>;
  /** Names of the origin's certificate. */
  readonly names?: readonly string[];
}

/** Files and settings under which `origin.test` and `other.test` are on loopback, and their test authority is trusted. */
export function loopback(limits: Readonly<Record<string, unknown>> = {}): Pick<PosternOptions, 'settings' | 'files'> {
  return {
    settings: {
      upstream: {
        trust: ['origin-ca.pem'],
        hosts: { 'origin.test': ['127.0.0.1'], 'other.test': ['127.0.0.1'], 'plain.test': ['127.0.0.1'] },
        allow_addresses: ['127.0.0.0/8'],
      },
      limits,
    },
    files: { 'origin-ca.pem': authority.pem, 'secret.txt': `${SECRET}\n` },
  };
}

export const certificateFor = (...names: readonly string[]) => authority.issue({ names });
export const certificateLike = (wish: Wish) => authority.issue(wish);

/** Starts an HTTPS origin and a Postern that injects a bearer into everything that goes to it. */
export async function startScene(options: SceneOptions = {}): Promise<Scene> {
  const tls = certificateFor(...(options.names ?? ['origin.test']));
  const origin = await startOrigin({ tls, ...options.origin });
  const policies = options.policies ?? defaultPolicy(origin.port, options);
  const base = loopback(options.limits);
  const postern = await startPostern({
    policies,
    ...base,
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.nodeOptions === undefined ? {} : { nodeOptions: options.nodeOptions }),
    ...(options.clientsMaySee === undefined ? {} : { clientsMaySee: options.clientsMaySee }),
    settings: { ...base.settings, ...options.settings },
    files: { ...base.files, ...options.files },
  });
  const target = `origin.test:${origin.port}`;
  const tunnel = async (fields = ''): Promise<RawClient> => {
    const client = await connectTunnel(postern.proxyPort, target, fields);
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    return client;
  };
  return { postern, origin, authority: target, tunnel };
}

function defaultPolicy(port: number, { rules = '', rule = '' }: SceneOptions): string {
  return `version: 1
secrets:
  token: { file: ../secret.txt }
rules:
${rules}
  - name: all
    hosts: [origin.test]
    ports: [${port}]
    inject: [{ bearer: "\${token}" }]
    ${rule}
`;
}

/** An origin without TLS at `plain.test`, and a Postern that lets plain HTTP to it. */
export interface PlainScene {
  readonly postern: Postern;
  readonly origin: Origin;
  /** `plain.test:PORT`. */
  readonly authority: string;
}

export interface PlainSceneOptions extends Partial<PosternOptions> {
  /** Keys of the only rule, beside hosts, schemes and ports. */
  readonly rule?: string;
  readonly origin?: OriginOptions;
}

export async function startPlainScene({ rule = '', origin: wanted, ...options }: PlainSceneOptions = {}) {
  const origin = await startOrigin(wanted);
  const more = rule === '' ? '' : `, ${rule}`;
  const policies = `version: 1
secrets: { token: { file: ../secret.txt } }
rules:
  - { name: plain, hosts: [plain.test], schemes: [http], ports: [${origin.port}]${more} }
`;
  const postern = await startPostern({ policies, ...loopback(), ...options });
  return { postern, origin, authority: `plain.test:${origin.port}` } satisfies PlainScene;
}

/** Everything that all connections to an origin brought. */
export const seenBy = (...origins: readonly Origin[]): string =>
  origins.flatMap(({ connections }) => connections.map(({ received }) => received)).join('');
