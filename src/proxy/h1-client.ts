import { type FieldList, hasToken, without } from '../headers/field-list.ts';
import { responseTrailers } from '../headers/hop-by-hop.ts';
import { bodyReader } from '../http1/body-reader.ts';
import { type Framing, requestFraming } from '../http1/framing.ts';
import { HeadCutter, type HeadLimits } from '../http1/head.ts';
import { parseRequestHead, type RequestHead } from '../http1/request-head.ts';
import { type Refused, refused } from '../http1/syntax.ts';
import { responseHeadText } from '../http1/write.ts';
import type { BodyFailure, BodySink, BodySource } from '../wire/body.ts';
import { closeGently } from '../wire/close.ts';
import { type BodyFaults, H1Body, H1Sink } from '../wire/h1-body.ts';
import type { Wire, WireOwner } from '../wire/wire.ts';
import type { AnswerHead, ClientRequest } from './client-request.ts';

export interface H1ClientLimits extends HeadLimits {
  /** From the first byte of a head to its last, and from the connection's begin to the first head. */
  readonly clientHeadMs: number;
  /** Between two requests. */
  readonly idleMs: number;
}

const FAULTS: BodyFaults = { side: 'client', invalid: 'FRAMING_INVALID', cut: 'REQUEST_INVALID' };
const CRLF_BYTES = 2;

/** The client's side of an HTTP/1.1 connection: requests one after another, pipelined ones kept until their turn. */
export class H1Client implements WireOwner {
  readonly wire: Wire;
  readonly #limits: H1ClientLimits;
  readonly #cutter: HeadCutter;
  #waiting: ((request: H1Request | null) => void) | null = null;
  #startedMs = 0;
  #served = 0;
  #abort: (() => void) | null = null;
  #draining = false;
  /** Answers wait for a client that does not take them. */
  #held = false;

  constructor(wire: Wire, limits: H1ClientLimits) {
    this.wire = wire;
    this.#limits = limits;
    this.#cutter = new HeadCutter(limits);
    wire.makeRoomFor(limits.headBytes);
  }

  /** True while no request is being served. */
  get idle(): boolean {
    return this.#waiting !== null && this.wire.inbox.length === 0;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** The next request; null when the client is done or gone. */
  next(): Promise<H1Request | null> {
    this.#abort = null;
    this.#startedMs = 0;
    return new Promise((resolve) => {
      this.#waiting = resolve;
      // After an answer that was cut off, another would be taken for the rest of it.
      if (this.wire.gone || this.wire.resetting) return this.#answer(null);
      this.wire.give(this);
      this.wire.expireIn(this.#served === 0 ? this.#limits.clientHeadMs : this.#limits.idleMs);
      if (this.#draining && this.idle) return this.#close();
      if (this.wire.isFull) this.#holdBack();
      else this.wire.wake();
    });
  }

  /** Lets the request that runs finish, with `Connection: close`, and takes no other. */
  drain(): void {
    this.#draining = true;
    if (this.idle) this.#close();
  }

  onAbort(callback: () => void): void {
    this.#abort = callback;
  }

  /** The body has ended, or there was none: from here on only the client's leaving is of interest. */
  watch(): void {
    this.wire.expectEnd();
    this.wire.give(this);
    if (this.wire.gone) this.onGone();
  }

  onReadable(): void {
    if (this.#waiting === null) {
      // While an answer is on its way: a client that ended its side may still read, one that vanished does not.
      if (this.wire.endedAbruptly) this.wire.destroy();
      return;
    }
    if (this.#held) return;
    if (this.#startedMs === 0 && !this.#firstByte()) return;
    const text = this.#cutter.cut(this.wire.inbox);
    if (text !== null) {
      const head = typeof text === 'string' ? parseRequestHead(text, this.#limits.headFields) : text;
      this.#serve(head);
    } else if (this.wire.ended) {
      this.#close();
    }
  }

  onGone(): void {
    this.#answer(null);
    const abort = this.#abort;
    this.#abort = null;
    abort?.();
  }

  onDeadline(): void {
    if (this.#waiting === null) return;
    // A client that never began a request is not told that it was slow.
    if (this.#startedMs === 0) this.#close();
    else this.#serve(refused('timeout', 'the request head did not arrive in time'));
  }

  /** A client that sends and does not read would have its answers pile up here: the next request waits until they have left. */
  #holdBack(): void {
    this.#held = true;
    this.wire.whenDrained(() => {
      this.#held = false;
      this.wire.wake();
    });
  }

  #firstByte(): boolean {
    this.#skipEmptyLine();
    if (this.wire.inbox.length === 0) {
      if (this.wire.ended) this.#close();
      return false;
    }
    this.#startedMs = performance.now();
    this.wire.expireIn(this.#limits.clientHeadMs);
    return true;
  }

  /** RFC 9112 section 2.2: one empty line before a request line is ignored, for clients that end a body with one. */
  #skipEmptyLine(): void {
    const { inbox } = this.wire;
    if (this.#served > 0 && inbox.length >= CRLF_BYTES && inbox.at(0) === 0x0d && inbox.at(1) === 0x0a)
      inbox.skip(CRLF_BYTES);
  }

  #serve(head: RequestHead | Refused): void {
    this.#served++;
    this.wire.expireNever();
    this.#answer(new H1Request(this, head, this.#startedMs, this.#limits));
  }

  #close(): void {
    this.#answer(null);
    closeGently(this.wire);
  }

  #answer(request: H1Request | null): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.(request);
  }
}

/** One request on an HTTP/1.1 connection, and its answer. */
export class H1Request implements ClientRequest {
  readonly protocol = 'h1';
  readonly head: RequestHead | Refused;
  readonly startedMs: number;
  bodyTaken = false;
  headSent = false;
  readonly #client: H1Client;
  readonly #limits: HeadLimits;
  #persists = false;

  constructor(client: H1Client, head: RequestHead | Refused, startedMs: number, limits: HeadLimits) {
    this.#client = client;
    this.head = head;
    this.startedMs = startedMs;
    this.#limits = limits;
  }

  get gone(): boolean {
    return this.#client.wire.gone;
  }

  /** Whether another request may follow on the connection, as far as the answer sent so far goes. */
  get persists(): boolean {
    return this.#persists && this.bodyTaken;
  }

  framing(head: RequestHead): Framing | Refused {
    return requestFraming(head);
  }

  body(framing: Framing): BodySource | null {
    if (framing.kind === 'none' || (framing.kind === 'length' && framing.bytes === 0)) {
      this.bodyTaken = true;
      this.#client.watch();
      return null;
    }
    const body = new H1Body(this.#client.wire, bodyReader(framing, this.#limits), FAULTS);
    const taken = (failure: BodyFailure): BodyFailure => {
      this.bodyTaken = failure === null;
      if (failure === null) this.#client.watch();
      return failure;
    };
    return {
      moveTo: (sink, onBytes) => {
        const moved = body.moveTo(sink, onBytes);
        return moved instanceof Promise ? moved.then(taken) : taken(moved);
      },
    };
  }

  onAbort(callback: () => void): void {
    this.#client.onAbort(callback);
  }

  sendInterim(status: number, reason: string, fields: FieldList): void {
    if (this.head.kind === 'refused' || this.head.version === '1.0') return;
    // RFC 9110 section 8.6: no length here. Some clients wait for a body after a 1xx that they do not know, and would take the answer for it.
    this.#client.wire.writeText(responseHeadText(status, reason, without(fields, 'content-length'), ''));
  }

  sendHead(head: AnswerHead): BodySink {
    this.headSent = true;
    if (!this.bodyTaken && isBodiless(this.head)) this.bodyTaken = true;
    const old = this.head.kind === 'refused' || this.head.version === '1.0';
    const chunked = head.length === 'chunked' && !old;
    const bounded = chunked || head.length === 'none' || head.length === 'declared';
    this.#persists = bounded && this.bodyTaken && head.last !== true && !this.#client.draining && wantsMore(this.head);
    const framing = (chunked ? 'Transfer-Encoding: chunked\r\n' : '') + connectionField(this.#persists, old);
    this.#client.wire.writeText(responseHeadText(head.status, head.reason, head.fields, framing));
    return new H1Sink(this.#client.wire, chunked ? 'chunked' : 'plain', responseTrailers);
  }

  cutOff(): void {
    // A reset, not an orderly end: a body that ends with the connection must not look complete.
    this.#client.wire.reset();
  }

  takeOver(): Wire {
    this.headSent = true;
    return this.#client.wire;
  }
}

/** RFC 9112 section 9.3. */
function wantsMore(head: RequestHead | Refused): boolean {
  if (head.kind === 'refused') return false;
  if (head.version === '1.0') return hasToken(head.fields, 'connection', 'keep-alive');
  return !hasToken(head.fields, 'connection', 'close');
}

function connectionField(persists: boolean, old: boolean): string {
  if (persists) return old ? 'Connection: keep-alive\r\n' : '';
  return old ? '' : 'Connection: close\r\n';
}

/**
 * Refused before anybody asked for its body, a request without one leaves the connection as good as before. What follows a CONNECT may
 * be meant for the tunnel that is refused.
 */
const isBodiless = (head: RequestHead | Refused): boolean =>
  head.kind === 'request' && head.method !== 'CONNECT' && requestFraming(head).kind === 'none';
