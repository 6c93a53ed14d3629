import { ProxyError } from '../errors.ts';
import type { Observer } from '../observe/record.ts';
import type { Scheme } from '../policy/model.ts';
import { Wire, type WireOwner } from '../wire/wire.ts';
import type { Claim } from './address-policy.ts';
import { dial } from './dial.ts';
import type { Dialled, DialOptions } from './dialling.ts';
import { H1Upstream } from './h1-upstream.ts';
import { Origin, originKey } from './origin.ts';
import type { Way } from './way.ts';

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
export type DialSettings = Omit<DialOptions, 'session' | 'onSession'>;

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
  readonly #openMax: number;
  /** In the order in which they became idle. */
  readonly #originByIdle = new Map<H1Upstream, OriginPool>();
  #allows: Allows = () => true;
  #swaps = 0;
  #open = 0;

  /** @param openMax upstream connections that the descriptors of the process leave room for, opaque ones and idle ones included */
  constructor(observer: Observer, openMax = Number.POSITIVE_INFINITY) {
    this.#observer = observer;
    this.#openMax = openMax;
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
    this.#originByIdle.delete(upstream);
    upstream.wire.expireNever();
    return upstream;
  }

  /** Dials by a judged way. */
  async dial(origin: Origin, way: Way, settings: DialSettings): Promise<H1Upstream> {
    const swaps = this.#swaps;
    const session = origin.session?.context === settings.context ? origin.session.bytes : null;
    const options = { ...settings, session, onSession: sessionKeeper(origin, settings.context) };
    const { scheme, host, port } = origin;
    const target = { scheme, host, port, way, hostMaySpeakFirst: false };
    const { socket, raw } = await this.counted(() => dial(target, options)).catch((error: unknown) => {
      // It may be what the origin could not bear: the next handshake is a whole one.
      if (error instanceof ProxyError && error.stage === 'dispatch' && error.code.startsWith('TLS_'))
        origin.session = null;
      throw error;
    });
    const upstream = new H1Upstream(origin, new Wire(socket, raw), settings);
    upstream.parentKey = way.kind === 'parent' ? way.parent.key : null;
    upstream.trust = settings.context;
    upstream.judgedAt = swaps;
    return upstream;
  }

  /**
   * Counts a connection, pooled or not, from its dial to its end. Where there are as many as may be, or the system allows no more, the
   * one that has been idle longest makes room: else whoever thinks of many hosts could leave no descriptor to anybody for a minute.
   * Rejects with `OVERLOADED` where none is idle.
   */
  async counted(dialling: () => Promise<Dialled>): Promise<Dialled> {
    if (this.#open >= this.#openMax && !this.#closeOldestIdle()) throw tooMany();
    this.#open++;
    try {
      const dialled = await dialling();
      this.#observer.connectionOpened('upstream');
      dialled.socket.once('close', () => {
        this.#open--;
        this.#observer.connectionClosed('upstream');
      });
      return dialled;
    } catch (error) {
      this.#open--;
      const isExhausted = error instanceof ProxyError && error.code === 'OVERLOADED';
      if (isExhausted && this.#closeOldestIdle()) return await this.counted(dialling);
      throw error;
    }
  }

  /** Gives a connection back after an exchange that left it clean. */
  release(origin: OriginPool, upstream: H1Upstream): void {
    const { wire } = upstream;
    const isFull = origin.forgotten || origin.idle.length >= IDLE_PER_ORIGIN_MAX || this.#originByIdle.size >= IDLE_MAX;
    if (wire.gone || wire.ended || wire.inbox.length > 0 || isFull || !this.#isAllowed(origin, upstream)) {
      wire.destroy();
      return;
    }
    upstream.idleSinceMs = performance.now();
    origin.idle.push(upstream);
    this.#originByIdle.set(upstream, origin);
    wire.give(new IdleWatch(upstream, () => this.#forget(upstream)));
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

  #closeOldestIdle(): boolean {
    const oldest = this.#originByIdle.keys().next();
    if (oldest.done === true) return false;
    // Its descriptor is free at once; that it is closed is told later.
    this.#forget(oldest.value);
    oldest.value.wire.destroy();
    return true;
  }

  #forget(upstream: H1Upstream): void {
    const origin = this.#originByIdle.get(upstream);
    if (origin === undefined) return;
    this.#originByIdle.delete(upstream);
    origin.idle.splice(origin.idle.indexOf(upstream), 1);
  }

  #forgetUnused(): void {
    for (const [key, origin] of this.#origins) {
      if (origin.idle.length > 0) continue;
      origin.forgotten = true;
      this.#origins.delete(key);
    }
  }
}

/** A function of its own: what it can see stays as long as the connection, and the parent's credentials shall not. */
const sessionKeeper =
  (origin: Origin, context: object): DialOptions['onSession'] =>
  (ticket) => {
    // A copy of its own: Node's is 1 KB in a block of 64, which a host that is remembered would keep.
    const bytes = Buffer.allocUnsafeSlow(ticket.length);
    ticket.copy(bytes);
    origin.session = { bytes, context };
  };

const tooMany = (): ProxyError =>
  new ProxyError('OVERLOADED', { stage: 'dispatch', side: 'proxy', reason: 'there are too many upstream connections' });

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
