import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, it, type TestContext } from 'vitest';

/** What a client spoke, as its origin saw it; `socks5` is how it reached the proxy, with HTTP/1.1 inside. */
export const PROTOCOLS = ['h1', 'h2', 'ws', 'sse', 'grpc', 'socks5'] as const;
export type ClientProtocol = (typeof PROTOCOLS)[number];

/** What `test/clients/install.sh` brings for Node, the server of the WebSocket proofs among it. */
export const NODE_PACKAGES = fileURLToPath(new URL('../clients/node/node_modules', import.meta.url));

/** One proof of the table in `docs/clients.md`, which `test/clients/report.ts` makes of what ran. */
export interface Proof {
  readonly client: string;
  /** Null where the program is not installed. */
  readonly version: string | null;
  readonly protocol: ClientProtocol;
  readonly what: string;
  /** What the client needs beyond the variables of `postern env`. */
  readonly needs: string | null;
  /** What was measured while it ran, for a person to read. */
  figures?: string;
}

declare module 'vitest' {
  interface TaskMeta {
    proof?: Proof;
  }
}

export interface ClientSpec {
  /** As the table has it. A literal, since a test looks for it in the sources. */
  readonly name: string;
  readonly version: string | null;
  /** How to get it, for whom it is skipped. */
  readonly install: string;
  readonly needs?: string;
}

export interface ProofSpec {
  readonly protocol: ClientProtocol;
  readonly what: string;
  /** More than all proofs of this client need. */
  readonly needs?: string;
  readonly timeoutMs?: number;
  /** It opens a WebSocket besides, which needs a server for it. */
  readonly opensWebSocket?: boolean;
}

/** Adds a sentence of figures to the proof that runs. */
export type Tell = (figures: string) => void;

export type Prove = (spec: ProofSpec, run: (tell: Tell, context: TestContext) => Promise<void>) => void;

/** All proofs of one client; where it is not installed they are skipped, loudly. */
export function client(spec: ClientSpec, proofs: (prove: Prove) => void): void {
  const { name, version, install } = spec;
  if (version === null) console.warn(`SKIPPED: ${name} is not installed; ${install}`);
  describe(name, () => {
    proofs((proof, run) => {
      it(`${proof.what} (${proof.protocol})`, { timeout: proof.timeoutMs ?? 20_000 }, async (context) => {
        const stated = statedBy(spec, proof);
        context.task.meta.proof = stated;
        const missing = missingFor(spec, proof);
        if (missing !== null) context.skip(missing);
        await run((figures) => {
          stated.figures = figures;
        }, context);
      });
    });
  });
}

function statedBy({ name, version, needs = '' }: ClientSpec, proof: ProofSpec): Proof {
  const all = [needs, proof.needs ?? ''].filter((text) => text !== '').join('; ');
  const { protocol, what } = proof;
  return { client: name, version, protocol, what, needs: all === '' ? null : all };
}

function missingFor({ name, version, install }: ClientSpec, { protocol, opensWebSocket }: ProofSpec): string | null {
  if (version === null) return `${name} is not installed; ${install}`;
  if ((protocol === 'ws' || opensWebSocket === true) && !existsSync(NODE_PACKAGES))
    return 'the server is not installed; bash test/clients/install.sh node';
  return null;
}

/** What the program says of itself, by the first group of the pattern; null if it does not run. */
export function versionOf(program: string, args: readonly string[], pattern: RegExp): string | null {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 20_000 });
  return status === 0 ? (pattern.exec(stdout + stderr)?.[1] ?? null) : null;
}
