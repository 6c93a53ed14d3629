import type { WireOwner } from '../wire/wire.ts';
import type { H1Upstream } from './h1-upstream.ts';

/** Owns the wire of an HTTP/1.1 connection while it waits in the pool. */
export class IdleWatch implements WireOwner {
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
