import type { ProxyError } from '../errors.ts';
import type { TunnelKind } from '../policy/decision.ts';
import { closeGently } from '../wire/close.ts';
import type { Wire, WireOwner } from '../wire/wire.ts';
import { TLS_HANDSHAKE } from './first-bytes.ts';
import type { TunnelClient } from './opening.ts';
import { askForTls, errorResponse, isStartup } from './postgres.ts';

/** A client that was redirected and believes to speak to its host: nothing tells it that its tunnel is open. */
export class RedirectedClient implements WireOwner, TunnelClient {
  readonly kind: TunnelKind = 'transparent';
  readonly wire: Wire;
  /** PostgreSQL's question for TLS was answered in the place of the server, which must still be asked. */
  prefaced = false;
  #abort: (() => void) | null = null;

  constructor(wire: Wire) {
    this.wire = wire;
  }

  /** Only PostgreSQL follows, which nobody here reads. */
  get opaqueOnly(): boolean {
    return this.prefaced;
  }

  sendOpen(): void {}

  async greet(upstream: Wire, limitMs: number): Promise<void> {
    if (this.prefaced) await askForTls(upstream, limitMs);
  }

  /** Nothing was said to it yet: an alert tells more than a closed connection. It is not encrypted, since no handshake began. */
  refuse({ status, code, reason }: ProxyError): void {
    if (this.wire.gone) return;
    const first = this.wire.inbox.length === 0 ? Buffer.alloc(0) : this.wire.inbox.peek();
    if (first[0] === TLS_HANDSHAKE) this.wire.write(status >= 500 ? INTERNAL_ERROR : ACCESS_DENIED);
    else if (!this.prefaced && isStartup(first)) this.wire.write(errorResponse(`${code}: ${reason}`));
    closeGently(this.wire);
  }

  onAbort(callback: () => void): void {
    this.#abort = callback;
    this.wire.give(this);
  }

  /** What it says belongs to the tunnel. */
  onReadable(): void {}

  onGone(): void {
    const abort = this.#abort;
    this.#abort = null;
    abort?.();
  }

  onDeadline(): void {}
}

/** A record with a fatal alert (RFC 8446 section 6.2), which every version of TLS reads. */
const alert = (description: number): Buffer => Buffer.from([21, 3, 3, 0, 2, 2, description]);
const ACCESS_DENIED = alert(49);
const INTERNAL_ERROR = alert(80);
