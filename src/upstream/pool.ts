import type { Socket } from 'node:net';
import type { Ip } from '../address/ip.ts';
import { ProxyError } from '../errors.ts';
import type { Observer } from '../observe/record.ts';
import type { Scheme } from '../policy/model.ts';
import { Wire, type WireOwner } from '../wire/wire.ts';
import type { Claim } from './address-policy.ts';
import { type DialOptions, dial } from './dial.ts';
import { H1Upstream } from './h1-upstream.ts';
import { Origin, originKey } from './origin.ts';

/** An idle connection is closed after this; servers that close sooner say so, or are noticed. */
const IDLE_MS = 60_000;
/**
 * A request that may not be sent twice takes only a connection that was used within this time: the origin may be closing an older one
 * just now, and its reset would be the client's error. Node's servers close after 5 s, which is the shortest in wide use.
 */
const FRESH_MS = 4_000;
const IDLE_PER_ORIGIN_MAX = 256;
/** A wildcard rule has as many origins as a sandbox can think of. */
const IDLE_MAX = 4_096;
const ORIGINS_MAX = 10_000;

/** What a dial needs from the generation of the request. */
export type DialSettings = Pick<DialOptions, 'connectMs' | 'tlsMs' | 'context'> & {
  readonly headBytes: number;
  readonly headFields: number;
};

/** An origin with its connections between two requests; the last one used is the first one taken. */
export class OriginPool extends Origin {
  readonly idle: H1Upstream[] = [];
  /** Whoever still has it may use it, but nothing is kept in it: the pool no longer knows of it. */
  forgotten = false;
}

/** Whether an idle connection may serve its origin in the generation in force. */
export type Allows = (origin: Origin, upstream: H1Upstream) => boolean;

/** Upstream connections by origin. An idle one is watched: what arrives unasked, and an end, closes it. */
export class Pool {
  readonly #origins = new Map<string, OriginPool>();
  readonly #observer: Observer;
  #allows: Allows = () => true;
  #swaps = 0;
  #idleCount = 0;

  constructor(observer: Observer) {
    this.#observer = observer;
  }

  origin(sandbox: string, scheme: Scheme, host: string, port: number, claim: Claim): OriginPool {
    const key = originKey(sandbox, scheme, host, port, claim);
    const known = this.#origins.get(key);
    if (known !== undefined) return known;
    if (this.#origins.size >= ORIGINS_MAX) this.#forgetUnused();
    const origin = new OriginPool(sandbox, scheme, host, port, claim);
    this.#origins.set(key, origin);
    return origin;
  }

  /** An idle connection, or null. `repeatable`: the request may be sent again if the connection turns out to be dead. */
  take(origin: OriginPool, repeatable: boolean): H1Upstream | null {
    const upstream = origin.idle.at(-1);
    if (upstream === undefined) return null;
    if (!repeatable && performance.now() - upstream.idleSinceMs > FRESH_MS) return null;
    origin.idle.pop();
    this.#idleCount--;
    upstream.wire.expireNever();
    return upstream;
  }

  /** Dials one of the judged addresses. */
  async dial(origin: Origin, addresses: readonly Ip[], settings: DialSettings): Promise<H1Upstream> {
    const swaps = this.#swaps;
    const session = origin.session?.context === settings.context ? origin.session.bytes : null;
    const onSession = (bytes: Buffer): void => {
      origin.session = { bytes, context: settings.context };
    };
    const { socket, raw } = await dial({ ...origin, addresses }, { ...settings, session, onSession });
    assertDialled(socket, addresses);
    const upstream = new H1Upstream(origin, new Wire(socket, raw), settings);
    upstream.trust = settings.context;
    upstream.judgedAt = swaps;
    this.#observer.connectionOpened('upstream');
    socket.once('close', () => this.#observer.connectionClosed('upstream'));
    return upstream;
  }

  /** Gives a connection back after an exchange that left it clean. */
  release(origin: OriginPool, upstream: H1Upstream): void {
    const { wire } = upstream;
    const isFull = origin.forgotten || origin.idle.length >= IDLE_PER_ORIGIN_MAX || this.#idleCount >= IDLE_MAX;
    if (wire.gone || wire.ended || wire.inbox.length > 0 || isFull || !this.#isAllowed(origin, upstream)) {
      wire.destroy();
      return;
    }
    upstream.idleSinceMs = performance.now();
    origin.idle.push(upstream);
    this.#idleCount++;
    wire.give(new IdleWatch(upstream, () => this.#lost(origin, upstream)));
    wire.expireIn(IDLE_MS);
  }

  /**
   * After a reload: closes idle connections to addresses, or under trust, that the new generation would not have. Those in use, or being
   * dialled, are asked about when they come back.
   */
  judgeAgain(allows: Allows): void {
    this.#allows = allows;
    this.#swaps++;
    for (const origin of this.#origins.values()) {
      for (const upstream of [...origin.idle]) if (!this.#isAllowed(origin, upstream)) upstream.wire.destroy();
    }
  }

  #isAllowed(origin: Origin, upstream: H1Upstream): boolean {
    if (upstream.judgedAt === this.#swaps) return true;
    upstream.judgedAt = this.#swaps;
    return this.#allows(origin, upstream);
  }

  close(): void {
    this.judgeAgain(() => false);
    this.#origins.clear();
  }

  #lost(origin: OriginPool, upstream: H1Upstream): void {
    const at = origin.idle.indexOf(upstream);
    if (at < 0) return;
    origin.idle.splice(at, 1);
    this.#idleCount--;
  }

  #forgetUnused(): void {
    for (const [key, origin] of this.#origins) {
      if (origin.idle.length > 0) continue;
      origin.forgotten = true;
      this.#origins.delete(key);
    }
  }
}

class IdleWatch implements WireOwner {
  readonly #upstream: H1Upstream;
  readonly onGone: () => void;

  constructor(upstream: H1Upstream, onGone: () => void) {
    this.#upstream = upstream;
    this.onGone = onGone;
  }

  /** RFC 9112 section 9.2 has no answer without a request: such bytes would be read as the answer to the next client's. */
  onReadable(): void {
    this.#upstream.wire.destroy();
  }

  onDeadline(): void {
    this.#upstream.wire.destroy();
  }
}

/** The address judged is the address dialled (contract promise 4). Nothing may come between the two. */
function assertDialled(socket: Socket, addresses: readonly Ip[]): void {
  const { remoteAddress } = socket;
  if (addresses.some((ip) => ip.text === remoteAddress)) return;
  socket.destroy();
  // The kernel forgets the address of a connection that was reset the moment it was made.
  if (remoteAddress === undefined) {
    const reason = 'the connection was closed as soon as it was made';
    throw new ProxyError('CONNECT_FAILED', { stage: 'dispatch', side: 'upstream', reason, retryable: true });
  }
  throw new ProxyError('INTERNAL', {
    stage: 'dispatch',
    side: 'proxy',
    reason: 'the address dialled is not the address judged',
  });
}
