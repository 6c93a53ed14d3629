import type { Wire, WireOwner } from './wire.ts';

export interface RawRelayOptions {
  readonly idleMs: number;
  /** Bytes from the client towards the upstream. */
  readonly onBytesOut: (count: number) => void;
  readonly onBytesIn: (count: number) => void;
}

/** `idle`: nothing moved for `idleMs`. `closed`: both sides ended, or one was closed. */
export type RawRelayEnd = 'closed' | 'idle';

/** Longest that what was written last may take to leave once the other side is closed: its reader may never take it. */
const LAST_WRITES_MS = 30_000;

/**
 *   client ──bytes──▶ upstream
 *   client ◀──bytes── upstream
 * Opaque bytes in both directions, with back-pressure, until both sides have ended. One side's end is passed on while the other goes on
 * (half-close). Resolves when both sockets are closed.
 */
export function relayRaw(client: Wire, upstream: Wire, options: RawRelayOptions): Promise<RawRelayEnd> {
  return new Promise((resolve) => {
    let idle = false;
    const moved = (): void => {
      if (!client.gone && !upstream.gone) client.expireIn(options.idleMs);
    };
    const settle = (): void => {
      if (client.gone && upstream.gone) resolve(idle ? 'idle' : 'closed');
    };
    const expire = (): void => {
      idle = true;
      client.destroy();
      upstream.destroy();
    };
    const out = new Direction(client, upstream, { moved, count: options.onBytesOut, settle, expire });
    const back = new Direction(upstream, client, { moved, count: options.onBytesIn, settle, expire });
    moved();
    upstream.expireNever();
    out.start();
    back.start();
  });
}

interface DirectionEvents {
  readonly moved: () => void;
  readonly count: (bytes: number) => void;
  readonly settle: () => void;
  readonly expire: () => void;
}

class Direction implements WireOwner {
  readonly #from: Wire;
  readonly #to: Wire;
  readonly #events: DirectionEvents;
  #blocked = false;
  #ended = false;
  readonly #resume = (): void => {
    this.#blocked = false;
    this.#from.wake();
  };

  constructor(from: Wire, to: Wire, events: DirectionEvents) {
    this.#from = from;
    this.#to = to;
    this.#events = events;
  }

  start(): void {
    this.#from.give(this);
    if (this.#from.gone) this.onGone();
    else this.#from.wake();
  }

  onReadable(): void {
    const { inbox } = this.#from;
    if (this.#blocked) return;
    while (inbox.length > 0 && !this.#blocked) this.#move(inbox.take(inbox.length));
    if (this.#from.ended && inbox.length === 0 && !this.#ended) {
      this.#ended = true;
      this.#to.end();
    }
  }

  #move(bytes: Buffer): void {
    this.#events.moved();
    this.#events.count(bytes.length);
    if (this.#to.write(bytes)) return;
    this.#blocked = true;
    this.#to.whenDrained(this.#resume);
  }

  onGone(): void {
    // An orderly close has ended both sides before; after anything else the other side has nobody to talk to.
    if (this.#from.error !== null || !this.#ended) this.#to.destroyAfterWrites();
    this.#to.expireIn(LAST_WRITES_MS);
    this.#events.settle();
  }

  onDeadline(): void {
    this.#events.expire();
  }
}
