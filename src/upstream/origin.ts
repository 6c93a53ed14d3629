import type { Scheme } from '../policy/model.ts';
import type { Claim } from './address-policy.ts';

/** An idle connection is closed after this; servers that close sooner say so, or are noticed. */
export const IDLE_MS = 60_000;

/** The protocols of an origin: HTTP/2, or what every other one is taken for. */
export type Alpn = 'h2' | 'h1';

/** An origin that is changed over is noticed after this. */
const SPOKEN_MS = 600_000;

/** A sandbox is not told where its requests are forwarded to. */
export const FORWARD_SHOWN = 'the forward target';

/**
 * One place that requests go to, as one sandbox may reach it: what connections are pooled by. Sandboxes never share connections, since what
 * one of them may dial another may not; nor do requests that a rule forwards and those that ask for the same host themselves.
 */
export class Origin {
  readonly sandbox: string;
  readonly scheme: Scheme;
  /** Canonical; IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
  readonly claim: Claim;
  /** The newest TLS session, for resumption, and the context it belongs to: another trust store must verify anew. */
  session: { readonly bytes: Buffer; readonly context: object } | null = null;

  /** What it was found to speak where it could choose; null: that is not known. */
  #spoken: { readonly protocol: Alpn; readonly untilMs: number } | null = null;

  constructor(sandbox: string, scheme: Scheme, host: string, port: number, claim: Claim) {
    this.sandbox = sandbox;
    this.scheme = scheme;
    this.host = host;
    this.port = port;
    this.claim = claim;
  }

  /** What it speaks where it may choose between HTTP/2 and HTTP/1.1, as it was last found; null if that is not known, or too long ago. */
  get speaks(): Alpn | null {
    return this.#spoken !== null && performance.now() < this.#spoken.untilMs ? this.#spoken.protocol : null;
  }

  spoke(protocol: Alpn): void {
    this.#spoken = { protocol, untilMs: performance.now() + SPOKEN_MS };
  }

  /** As reasons call it. */
  get shown(): string {
    return this.claim === 'forward' ? FORWARD_SHOWN : this.host;
  }
}

export const originKey = (sandbox: string, scheme: Scheme, host: string, port: number, claim: Claim): string =>
  `${sandbox} ${claim} ${scheme}://${host}:${port}`;
