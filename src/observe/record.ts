import type { Code } from '../errors.ts';
import type { LimitName } from '../policy/limits-text.ts';

export type Ingress = 'proxy' | 'socks' | 'transparent' | 'dns' | 'unix';
export type Protocol = 'h1' | 'h2' | 'ws' | 'tunnel' | 'dns';

/**
 * What one request, tunnel or refused connection was and how it ended: opened when it begins, filled by the stages, concluded
 * exactly once. The audit line and every per-request metric are made of it. It never holds field values, bodies or query strings.
 */
export interface ExchangeRecord {
  readonly id: string;
  readonly generation: number;
  sandbox: string | null;
  /** `address:port` of the client; empty on a Unix socket. */
  readonly client: string;
  readonly listener: string;
  readonly ingress: Ingress;
  protocol: Protocol;
  method: string | null;
  scheme: 'http' | 'https' | null;
  host: string | null;
  port: number | null;
  /** The client's path before any swap, without the query; cut at 1,024 bytes when the line is written. */
  path: string | null;
  rule: string | null;
  decision: 'allow' | 'deny' | 'would-deny';
  code: Code | null;
  reason: string | null;
  /** Names of the secrets that were put in. */
  injected: readonly string[];
  scrubbed: number;
  /** The limit of its rule that it met. */
  limited: LimitName | null;
  /** `address:port` that was dialled. */
  address: string | null;
  /** The status that the client was sent; null if none was. */
  status: number | null;
  /** Body and tunnel bytes towards the client. */
  bytesIn: number;
  /** Body and tunnel bytes towards the upstream. */
  bytesOut: number;
  /** TLS version of the client's leg, or null. */
  tls: string | null;
  /** `performance.now()` when the first byte of the head was there (ms). */
  readonly startedMs: number;
  /** Our own time: head read to head sent, both ways, without waiting for the network (ms). */
  overheadMs: number;
  /** Request head sent to response head received (ms); null if no response came. */
  upstreamMs: number | null;
}

/** Where records and counts go. Implemented by `observe/`; the data path knows only this. */
export interface Observer {
  /** Called once for each record, at its end. Never throws. */
  concluded(record: ExchangeRecord): void;
  connectionOpened(side: 'client' | 'upstream'): void;
  connectionClosed(side: 'client' | 'upstream'): void;
  tunnelOpened(): void;
  tunnelClosed(): void;
  /** False while audit lines are required and cannot be written: traffic is refused with `OVERLOADED`. */
  readonly accepting: boolean;
}
