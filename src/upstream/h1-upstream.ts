import { type Code, ProxyError } from '../errors.ts';
import { firstValue, hasToken } from '../headers/field-list.ts';
import { bodyReader } from '../http1/body-reader.ts';
import { responseFraming } from '../http1/framing.ts';
import { HeadCutter, type HeadLimits } from '../http1/head.ts';
import { parseResponseHead, type ResponseHead } from '../http1/response-head.ts';
import type { Refused } from '../http1/syntax.ts';
import { type BodyFaults, H1Body } from '../wire/h1-body.ts';
import type { Wire, WireOwner } from '../wire/wire.ts';
import { type Awaiting, INTERIM_MAX, type UpstreamResponse } from './awaiting.ts';
import type { Origin } from './origin.ts';
import { remoteAddressOf } from './remote-address.ts';

const FAULTS: BodyFaults = { side: 'upstream', invalid: 'RESPONSE_INVALID', cut: 'UPSTREAM_RESET' };

/** One HTTP/1.1 connection to an origin: one exchange at a time, idle in the pool between two. */
export class H1Upstream implements WireOwner {
  readonly protocol = 'h1';
  readonly origin: Origin;
  readonly wire: Wire;
  /** `address:port` that was judged and dialled, the host's or the parent's, for the audit line and for judging again. */
  readonly address: string;
  readonly ip: string;
  /** The parent that it goes through; null: none. */
  parentKey: string | null = null;
  idleSinceMs = 0;
  /** The context that verified its certificate. */
  trust: object | null = null;
  /** The swap after which the pool last asked whether it may be kept. */
  judgedAt = 0;
  readonly #limits: HeadLimits;
  readonly #cutter: HeadCutter;
  #settle: { resolve(response: UpstreamResponse): void; reject(error: ProxyError): void } | null = null;
  #awaiting: Awaiting | null = null;
  #interims = 0;
  #started = false;

  constructor(origin: Origin, wire: Wire, limits: HeadLimits) {
    this.origin = origin;
    this.wire = wire;
    // Not the whole of what is given: it lives as long as the connection.
    this.#limits = { headBytes: limits.headBytes, headFields: limits.headFields };
    this.#cutter = new HeadCutter(this.#limits);
    wire.makeRoomFor(limits.headBytes);
    ({ ip: this.ip, address: this.address } = remoteAddressOf(wire.socket));
  }

  expireIn(ms: number): void {
    this.wire.expireIn(ms);
  }

  /** Nothing of the exchange is wanted any more, and so nothing of the connection. */
  abandon(): void {
    this.wire.destroy();
  }

  /** Waits for the answer to the request whose head was written to the wire. Rejects with what went wrong, `retryable` if nothing came. */
  response(awaiting: Awaiting): Promise<UpstreamResponse> {
    this.#awaiting = awaiting;
    this.#interims = 0;
    this.#started = false;
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.wire.give(this);
      if (this.wire.gone) this.onGone();
      else this.wire.wake();
    });
  }

  onReadable(): void {
    while (this.#settle !== null) {
      if (this.wire.inbox.length > 0) this.#started = true;
      const text = this.#cutter.cut(this.wire.inbox);
      if (text === null) break;
      const head = typeof text === 'string' ? parseResponseHead(text, this.#limits.headFields) : text;
      if (head.kind === 'refused') this.#invalid(head);
      else this.#take(head);
    }
    if (this.wire.ended && this.#settle !== null) this.#fail('UPSTREAM_RESET', this.#resetReason());
  }

  onGone(): void {
    if (this.#settle !== null) this.#fail('UPSTREAM_RESET', this.#resetReason());
  }

  onDeadline(): void {
    // Before the request was sent there is nothing to answer: the client paused in its body, or the host stopped reading it.
    if (this.#awaiting?.sent.done === false) this.#fail('IDLE_TIMEOUT', 'the request body did not move for too long');
    else this.#fail('HEAD_TIMEOUT', `${this.origin.shown} did not begin its answer in time`);
    this.wire.destroy();
  }

  /** Whether the connection can carry another exchange after this answer (RFC 9112 section 9.3). */
  static persists(response: UpstreamResponse): boolean {
    const { head, framing } = response;
    if (framing.kind === 'close' || head.status === 101) return false;
    if (head.version === '1.0') return hasToken(head.fields, 'connection', 'keep-alive');
    return firstValue(head.fields, 'connection') === undefined || !hasToken(head.fields, 'connection', 'close');
  }

  /** One head: an interim answer, or the one that was waited for. */
  #take(head: ResponseHead): void {
    if (head.status < 200 && head.status !== 101) {
      this.#interims++;
      if (this.#interims > INTERIM_MAX)
        this.#invalid({ kind: 'refused', verdict: 'invalid', why: 'too many interim answers' });
      else this.#awaiting?.onInterim(head);
      return;
    }
    const framing = responseFraming(head, this.#awaiting?.method ?? 'GET');
    if (framing.kind === 'refused') {
      this.#invalid(framing);
      return;
    }
    const settle = this.#settle;
    this.#settle = null;
    // What an idle connection last carried must not stay alive with it.
    this.#awaiting = null;
    this.wire.give(null);
    const body = framing.kind === 'none' ? null : new H1Body(this.wire, bodyReader(framing, this.#limits), FAULTS);
    settle?.resolve({ head, framing, body });
  }

  #resetReason(): string {
    return `${this.origin.shown} closed the connection before it had answered`;
  }

  #invalid(refusal: Refused): void {
    this.#fail('RESPONSE_INVALID', `the answer of ${this.origin.shown} is not valid: ${refusal.why}`);
    this.wire.destroy();
  }

  #fail(code: Code, reason: string): void {
    const settle = this.#settle;
    this.#settle = null;
    this.wire.give(null);
    const retryable = code === 'UPSTREAM_RESET' && !this.#started;
    settle?.reject(
      new ProxyError(code, { stage: 'dispatch', side: 'upstream', reason, retryable, cause: this.wire.error }),
    );
  }
}
