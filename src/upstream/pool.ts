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
const ORIGINS_MAX = 10_000;

/** What a dial needs from the generation of the request. */
export type DialSettings = Pick<DialOptions, 'connectMs' | 'tlsMs' | 'context'> & {
  readonly headBytes: number;
  readonly headFields: number;
};

/** An origin with its connections between two requests; the last one used is the first one taken. */
export class OriginPool extends Origin {
  readonly idle: H1Upstream[] = [];
}

/** Upstream connections by origin. An idle one is watched: what arrives unasked, and an end, closes it. */
export class Pool {
  readonly #origins = new Map<string, OriginPool>();
  readonly #observer: Observer;

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
    upstream.wire.expireNever();
    upstream.uses++;
    return upstream;
  }

  /** Dials one of the judged addresses. */
  async dial(origin: Origin, addresses: readonly Ip[], settings: DialSettings): Promise<H1Upstream> {
    const session = origin.session?.context === settings.context ? origin.session.bytes : null;
    const onSession = (bytes: Buffer): void => {
      origin.session = { bytes, context: settings.context };
    };
    const { socket, raw } = await dial({ ...origin, addresses }, { ...settings, session, onSession });
    assertDialled(socket, addresses);
    const upstream = new H1Upstream(origin, new Wire(socket, raw), settings);
    upstream.uses = 1;
    this.#observer.connectionOpened('upstream');
    socket.once('close', () => this.#observer.connectionClosed('upstream'));
    return upstream;
  }

  /** Gives a connection back after an exchange that left it clean. */
  release(origin: OriginPool, upstream: H1Upstream): void {
    const { wire } = upstream;
    if (wire.gone || wire.ended || wire.inbox.length > 0 || origin.idle.length >= IDLE_PER_ORIGIN_MAX) {
      wire.destroy();
      return;
    }
    upstream.idleSinceMs = performance.now();
    origin.idle.push(upstream);
    wire.give(new IdleWatch(origin, upstream));
    wire.expireIn(IDLE_MS);
  }

  /** After a reload: closes idle connections to addresses, or under trust, that the new generation would not have. */
  judgeAgain(allows: (origin: Origin, ip: string) => boolean): void {
    for (const origin of this.#origins.values()) {
      for (const { ip, wire } of [...origin.idle]) if (!allows(origin, ip)) wire.destroy();
    }
  }

  close(): void {
    this.judgeAgain(() => false);
    this.#origins.clear();
  }

  get idleCount(): number {
    let count = 0;
    for (const origin of this.#origins.values()) count += origin.idle.length;
    return count;
  }

  #forgetUnused(): void {
    for (const [key, origin] of this.#origins) if (origin.idle.length === 0) this.#origins.delete(key);
  }
}

class IdleWatch implements WireOwner {
  readonly #origin: OriginPool;
  readonly #upstream: H1Upstream;

  constructor(origin: OriginPool, upstream: H1Upstream) {
    this.#origin = origin;
    this.#upstream = upstream;
  }

  /** RFC 9112 section 9.2 has no answer without a request: such bytes would be read as the answer to the next client's. */
  onReadable(): void {
    this.#upstream.wire.destroy();
  }

  onGone(): void {
    const { idle } = this.#origin;
    const at = idle.indexOf(this.#upstream);
    if (at >= 0) idle.splice(at, 1);
  }

  onDeadline(): void {
    this.#upstream.wire.destroy();
  }
}

/** The address judged is the address dialled (contract promise 4). Nothing may come between the two. */
function assertDialled(socket: Socket, addresses: readonly Ip[]): void {
  if (addresses.some((ip) => ip.text === socket.remoteAddress)) return;
  socket.destroy();
  throw new ProxyError('INTERNAL', {
    stage: 'dispatch',
    side: 'proxy',
    reason: 'the address dialled is not the address judged',
  });
}
