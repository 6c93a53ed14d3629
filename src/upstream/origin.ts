import type { Scheme } from '../policy/model.ts';
import type { Claim } from './address-policy.ts';

/**
 * One place that requests go to, as one sandbox may reach it: what connections are pooled by. Sandboxes never share connections, since what
 * one of them may dial another may not.
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

  constructor(sandbox: string, scheme: Scheme, host: string, port: number, claim: Claim) {
    this.sandbox = sandbox;
    this.scheme = scheme;
    this.host = host;
    this.port = port;
    this.claim = claim;
  }
}

export const originKey = (sandbox: string, scheme: Scheme, host: string, port: number, claim: Claim): string =>
  `${sandbox} ${claim} ${scheme}://${host}:${port}`;
