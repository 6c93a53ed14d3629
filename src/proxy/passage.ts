import type { Ingress } from '../observe/record.ts';
import type { HostRules } from '../policy/compiled.ts';
import type { Scheme } from '../policy/model.ts';
import type { ClientEvidence } from '../runtime/identity.ts';
import type { Sandbox, Snapshot } from '../runtime/snapshot.ts';
import type { OriginPool } from '../upstream/origin-pool.ts';

/** How a client connection came in; fixed for its life. */
export interface Entrance {
  readonly ingress: Ingress;
  /** Text of the listener's address. */
  readonly listener: string;
  /** `address:port`; empty on a Unix socket. */
  readonly client: string;
  /** Canonical address without port; null on a Unix socket. */
  readonly clientAddress: string | null;
  /** `address:port` of ours that the client connected to; null on a Unix socket. */
  readonly reachedAt: string | null;
  /** The port that redirected connections were meant for, as the listener says; null where clients know of the proxy. */
  readonly meantPort: number | null;
}

/** What an intercepted tunnel is for: one host, one port, one scheme, for every request in it (contract promise 4). */
export interface TunnelTarget {
  readonly scheme: Scheme;
  /** Canonical; IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
  /** What Host is to say, in the spelling that clients use. */
  readonly hostField: string;
  /** The client's TLS version, or null for HTTP inside the tunnel. */
  readonly tls: string | null;
  /** The sandbox that opened it. */
  readonly sandbox: string;
}

/**
 * Where the requests of one connection come from and, inside a tunnel, where they go. Everything that the generation in force says of it
 * is kept until the generation changes, so that a request looks nothing up that its connection already knows.
 */
export interface Passage {
  readonly entrance: Entrance;
  /** null: each request names its own target (HTTP without CONNECT). */
  readonly tunnel: TunnelTarget | null;
  /** The evidence that identified the connection; on plain HTTP each request brings its own credentials. */
  evidence: ClientEvidence;
  /** Null until a request asks: a connection that waits must not keep a generation, and the secrets in it, alive. */
  standing: Standing | null;
}

/** What one generation says of a passage. */
export interface Standing {
  readonly snapshot: Snapshot;
  readonly sandbox: Sandbox;
  /** What is known of the tunnel's host; null outside a tunnel, where each request names its own. */
  readonly host: {
    /** Null where no rule names it. */
    readonly rules: HostRules | null;
    readonly origin: OriginPool;
  } | null;
}
