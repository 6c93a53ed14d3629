import type { Socket } from 'node:net';
import { ProxyError } from '../errors.ts';
import { responseHeadText } from '../http1/write.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import type { TunnelDecision, TunnelKind } from '../policy/decision.ts';
import type { Snapshot } from '../runtime/snapshot.ts';
import type { DialOptions } from '../upstream/dialling.ts';
import type { Destination, Way } from '../upstream/way.ts';
import type { Wire } from '../wire/wire.ts';
import type { CountedConnection } from './admit.ts';
import type { Entrance, Passage } from './passage.ts';

/**
 * What a tunnel needs of the generation that it was opened under. It is kept as long as the tunnel is open, for hours, so nothing of a secret
 * is in it: no vault, no token, no credentials for the parent.
 */
export type Ground = Pick<
  Snapshot,
  'generation' | 'settings' | 'addresses' | 'resolver' | 'parent' | 'upstreamContext' | 'leaves'
>;

export function groundOf(snapshot: Snapshot): Ground {
  const { generation, settings, addresses, resolver, parent, upstreamContext, leaves } = snapshot;
  return { generation, settings, addresses, resolver, parent, upstreamContext, leaves };
}

/** A tunnel that was asked for, by CONNECT or SOCKS5. */
export interface Asked {
  readonly host: string;
  readonly port: number;
  readonly ground: Ground;
  readonly sandbox: string;
  readonly policy: CompiledPolicy;
}

/** What the policy makes of it. `host` is the name that counts, which is the one inside where the authority is an unnamed address. */
export interface Opening extends Asked {
  /** The client was told that it is open. */
  readonly opened: boolean;
  readonly decision: Exclude<TunnelDecision, { readonly kind: 'deny' | 'named-inside' }>;
}

/** Whoever asked for a tunnel, and how it is told. In this alone the ways in differ: what follows is one for all. */
export interface TunnelClient {
  readonly kind: TunnelKind;
  readonly wire: Wire;
  /** Called once if the client leaves while it waits. */
  onAbort(callback: () => void): void;
  /** Tells it that the tunnel is open. */
  sendOpen(): void;
  /** What follows is a protocol that only its ends can read, so that nothing of it could be intercepted. */
  readonly opaqueOnly?: boolean;
  /** Says to the upstream what must be said before the first byte of the client's. Throws if it does not answer as it should. */
  greet?(upstream: Wire, limitMs: number): Promise<void>;
}

/** Anything opaque that runs on a connection in place of requests. */
export interface OpaqueRun {
  judge(next: Snapshot): ProxyError | null;
  cut(error: ProxyError): void;
  /** No more may begin: ends it, if nothing would be lost by that. */
  drain(): void;
}

/** The connection that a tunnel is opened on, as far as the tunnel needs it. */
export interface TunnelConnection extends CountedConnection {
  readonly entrance: Entrance;
  runs(opaque: OpaqueRun | null): void;
  /** Resolves with the number of requests that came. */
  serveRequests(wire: Wire, passage: Passage): Promise<number>;
  /** The same for HTTP/2. @param raw the TCP socket at the bottom */
  serveStreams(secure: Wire, raw: Socket, passage: Passage): Promise<number>;
}

/** Who wants to go where, for judging its addresses. */
export function destinationOf({ host, port, policy, decision }: Opening): Destination {
  return { host, port, claim: decision.claim, policy };
}

/** The answer that opens a tunnel. RFC 9110 section 9.3.6 forbids Content-Length and Transfer-Encoding in it. */
export const TUNNEL_OPEN = responseHeadText(200, 'OK', [], '');

/** What became of a tunnel whose client did not wait for it; null while the client is there. */
export function clientLeft(wire: Wire): ProxyError | null {
  if (!wire.gone) return null;
  const reason = 'the client left before the tunnel was open';
  return new ProxyError('REQUEST_INVALID', { stage: 'tunnel', side: 'client', reason });
}

/**
 * What the parent is told, as it is now: the tunnel outlives its generation, whose password must not stay with it. A parent that was replaced
 * while the tunnel was decided is not told the password of another.
 */
export function credentialsFor(way: Way, current: Snapshot): DialOptions['parentCredentials'] {
  if (way.kind === 'direct' || way.parent.key === current.parent?.key) return current.parentCredentials;
  return () => {
    const reason = 'the parent proxy was replaced while the tunnel was being opened';
    throw new ProxyError('CONNECT_FAILED', { stage: 'dispatch', side: 'proxy', reason, retryable: true });
  };
}
