import type { Wire, WireOwner } from './wire.ts';

const LINGER_MS = 2_000;
/** More than the kernels of both ends hold (`tcp_rmem` and `tcp_wmem` go up to 6 and 4 MiB): who sends still more is not reading. */
const LINGER_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Ends a connection whose peer may still be sending (RFC 9112 section 9.6): our side ends first and what arrives is thrown away for a
 * moment, since closing over unread bytes is a reset that can destroy the last answer before it is read.
 */
export function closeGently(wire: Wire): void {
  if (wire.gone || wire.resetting) return;
  wire.end();
  wire.give(new Lingering(wire));
  wire.expireIn(LINGER_MS);
  wire.wake();
}

class Lingering implements WireOwner {
  readonly #wire: Wire;
  #bytes = 0;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  onReadable(): void {
    const { inbox } = this.#wire;
    this.#bytes += inbox.length;
    inbox.skip(inbox.length);
    if (this.#wire.ended || this.#bytes > LINGER_BYTES_MAX) this.#wire.destroyAfterWrites();
  }

  onGone(): void {}

  onDeadline(): void {
    this.#wire.destroy();
  }
}
