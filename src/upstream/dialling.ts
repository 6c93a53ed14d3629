import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { HeadLimits } from '../http1/head.ts';
import type { Scheme } from '../policy/model.ts';
import type { Way } from './way.ts';

/** What is dialled: a way that was judged, and the name that must be verified. */
export interface DialTarget {
  readonly scheme: Scheme | 'tcp';
  /** Canonical; IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
  /** As reasons call it, which sandboxes read. */
  readonly shown: string;
  readonly way: Way;
  /** What may be spoken inside TLS (ALPN, RFC 7301), best first; of no use where the scheme is tcp. */
  readonly alpn: readonly string[];
  /** The host may speak before the client does: bytes that come with the parent's answer are the host's. */
  readonly hostMaySpeakFirst: boolean;
}

export interface DialOptions extends HeadLimits {
  readonly connectMs: number;
  readonly tlsMs: number;
  readonly context: SecureContext;
  readonly session: Buffer | null;
  readonly onSession: (session: Buffer) => void;
  /** For the parent, the value of `Proxy-Authorization`; null: none. May throw `SECRET_UNAVAILABLE`. */
  readonly parentCredentials: () => string | null;
  /** Aborted when nobody waits for the connection any more: it is given up at once. */
  readonly signal: AbortSignal;
}

export interface Dialled {
  readonly socket: Socket;
  /** The socket under a TLS socket. */
  readonly raw: Socket | null;
}

/** A connection on which bytes reach the host. */
export interface Leg extends Dialled {
  /** The TCP socket under everything. */
  readonly tcp: Socket;
}
