/**
 * Which sandbox a client is (SEMANTICS.md 9). Evidence is the client's address, the listener it came by, and a token.
 * Built once per generation.
 */
export interface ClientEvidence {
  /** Canonical address without port; null on a Unix socket. */
  readonly address: string | null;
  /** The listener's text, as in `listen` (`127.0.0.1:8080`, `unix:/run/x.sock`). */
  readonly listener: string;
  /** From Proxy-Authorization (Basic) or SOCKS5; null if none was sent. */
  readonly credentials: { readonly username: string; readonly password: string } | null;
}

export type Identity =
  | { readonly kind: 'sandbox'; readonly name: string }
  | { readonly kind: 'refused'; readonly code: 'TOKEN_REQUIRED' | 'IDENTITY_CONFLICT'; readonly reason: string };

export interface IdentityIndex {
  /** True if any file identifies by token: then the answer may differ from request to request on a plain-HTTP connection. */
  readonly usesTokens: boolean;
  identify(evidence: ClientEvidence): Identity;
}
