import type { TLSSocket } from 'node:tls';
import { ProxyError } from '../errors.ts';
import type { Observer } from '../observe/record.ts';
import type { Scheme } from '../policy/model.ts';
import { Wire } from '../wire/wire.ts';
import type { Claim } from './address-policy.ts';
import type { Carrier } from './carrier.ts';
import { type DialSettings, dialOrigin } from './dial-origin.ts';
import type { Dialled } from './dialling.ts';
import { H1Upstream } from './h1-upstream.ts';
import type { H2Exchange } from './h2-exchange.ts';
import { H2Upstream } from './h2-upstream.ts';
import { IdleWatch } from './idle-watch.ts';
import { IDLE_MS, type Origin, originKey } from './origin.ts';
import { OriginPool, type Pooled } from './origin-pool.ts';
import { ALPN_H1, ALPN_H2 } from './secure.ts';
import type { Way } from './way.ts';

/**
 * A request that may not be sent twice takes only a connection that was used within this time: the origin may be closing an older one
 * just now, and its reset would be the client's error. Node's servers close after 5 s, which is the shortest in wide use.
 */
const FRESH_MS = 4_000;
const IDLE_PER_ORIGIN_MAX = 256;
/** A wildcard rule has as many origins as a sandbox can think of. */
const IDLE_MAX = 4_096;
const ORIGINS_MAX = 10_000;

/** Whether an idle connection may serve its origin in the generation in force. */
export type Allows = (origin: Origin, upstream: Pooled) => boolean;

/** Upstream connections by origin. An idle one is watched: what arrives unasked, and an end, closes it. */
export class Pool {
  readonly #origins = new Map<string, OriginPool>();
  readonly #observer: Observer;
  readonly #openMax: number;
  /** In the order in which they became idle. */
  readonly #originByIdle = new Map<Pooled, OriginPool>();
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

  /** A stream on a connection that is there, or null. */
  takeStream(origin: OriginPool): H2Exchange | null {
    const session = origin.sessions.find((each) => each.hasRoom);
    if (session === undefined) return null;
    this.#originByIdle.delete(session);
    return session.exchange();
  }

  /** Dials by a judged way, for HTTP/1.1. */
  async dial(origin: Origin, way: Way, settings: DialSettings): Promise<H1Upstream> {
    const swaps = this.#swaps;
    const dialled = await this.counted(() => dialOrigin(origin, way, settings, ALPN_H1));
    return this.#h1(origin, dialled, way, settings, swaps);
  }

  /**
   * A place for one exchange of a client that speaks HTTP/2: a stream, or where the origin turns out to speak no HTTP/2 a connection of its own.
   * Many who wait for the same origin wait for one dial. Rejects like a dial.
   */
  async place(origin: OriginPool, way: Way, settings: DialSettings): Promise<Carrier> {
    for (;;) {
      const stream = this.takeStream(origin);
      if (stream !== null) return stream;
      if (origin.speaks === 'h1') return this.take(origin, true) ?? (await this.dial(origin, way, settings));
      const isOurs = origin.finding === null;
      await this.find(origin, way, settings);
      // Whoever dialled is the first to be told, and takes what it dialled for.
      if (isOurs && origin.speaks === 'h2' && !origin.sessions.some((each) => each.hasRoom)) throw noRoom(origin);
    }
  }

  /** Finds out what an origin speaks by connecting to it (ALPN); the connection is then there for the first request. Rejects like a dial. */
  async find(origin: OriginPool, way: Way, settings: DialSettings): Promise<void> {
    // Whoever asked first may leave; the others still wait.
    const shared = { ...settings, signal: new AbortController().signal };
    origin.finding ??= this.#find(origin, way, shared).finally(() => {
      origin.finding = null;
    });
    await origin.finding;
  }

  async #find(origin: OriginPool, way: Way, settings: DialSettings): Promise<void> {
    const swaps = this.#swaps;
    const dialled = await this.counted(() => dialOrigin(origin, way, settings, ALPN_H2));
    const isH2 = (dialled.socket as TLSSocket).alpnProtocol === 'h2';
    origin.spoke(isH2 ? 'h2' : 'h1');
    if (!isH2) return this.release(origin, this.#h1(origin, dialled, way, settings, swaps));
    const session = new H2Upstream(origin, dialled, settings, (changed) => this.#onChange(origin, changed));
    this.#note(session, way, settings, swaps);
    origin.sessions.push(session);
    this.#onChange(origin, session);
  }

  #h1(origin: Origin, { socket, raw }: Dialled, way: Way, settings: DialSettings, swaps: number): H1Upstream {
    const upstream = new H1Upstream(origin, new Wire(socket, raw), settings);
    this.#note(upstream, way, settings, swaps);
    return upstream;
  }

  #note(upstream: Pooled, way: Way, { context }: DialSettings, swaps: number): void {
    upstream.parentKey = way.kind === 'parent' ? way.parent.key : null;
    upstream.trust = context;
    upstream.judgedAt = swaps;
  }

  /** An HTTP/2 connection has become idle, or is closed. */
  #onChange(origin: OriginPool, session: H2Upstream): void {
    this.#originByIdle.delete(session);
    if (session.isClosed) {
      const at = origin.sessions.indexOf(session);
      if (at >= 0) origin.sessions.splice(at, 1);
    } else if (session.streams === 0) {
      const isFull = origin.forgotten || this.#originByIdle.size >= IDLE_MAX;
      if (isFull || !this.#isAllowed(origin, session)) session.retire();
      else this.#originByIdle.set(session, origin);
    }
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
      for (const upstream of [...origin.idle]) if (!this.#isAllowed(origin, upstream)) upstream.abandon();
      // What runs on one is judged with its request.
      for (const session of [...origin.sessions]) if (!this.#isAllowed(origin, session)) session.retire();
    }
  }

  #isAllowed(origin: Origin, upstream: Pooled): boolean {
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
    oldest.value.abandon();
    return true;
  }

  #forget(upstream: Pooled): void {
    const origin = this.#originByIdle.get(upstream);
    if (origin === undefined) return;
    this.#originByIdle.delete(upstream);
    const list: Pooled[] = upstream instanceof H2Upstream ? origin.sessions : origin.idle;
    list.splice(list.indexOf(upstream), 1);
  }

  #forgetUnused(): void {
    for (const [key, origin] of this.#origins) {
      if (origin.idle.length + origin.sessions.length > 0 || origin.finding !== null) continue;
      origin.forgotten = true;
      this.#origins.delete(key);
    }
  }
}

const noRoom = ({ shown }: Origin): ProxyError =>
  new ProxyError('UPSTREAM_RESET', {
    stage: 'dispatch',
    side: 'upstream',
    reason: `${shown} takes no request on a new connection`,
  });

const tooMany = (): ProxyError =>
  new ProxyError('OVERLOADED', { stage: 'dispatch', side: 'proxy', reason: 'there are too many upstream connections' });
