import { type ClientHttp2Stream, constants, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from 'node:http2';
import { type Code, ProxyError } from '../errors.ts';
import type { FieldList } from '../headers/field-list.ts';
import { type Framing, responseFraming } from '../http1/framing.ts';
import type { HeadLimits } from '../http1/head.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import type { Refused } from '../http1/syntax.ts';
import type { RawFields } from '../http2/raw-fields.ts';
import { readResponseHead } from '../http2/response-head.ts';
import { type Deadline, deadlines } from '../wire/deadlines.ts';
import { type BodyRules, H2Body, H2Sink, StreamReset } from '../wire/h2-body.ts';
import { rawOf } from '../wire/h2-fields.ts';
import { resetStream } from '../wire/h2-reset.ts';
import { type Awaiting, INTERIM_MAX, type UpstreamResponse } from './awaiting.ts';
import type { Origin } from './origin.ts';

type Headers = IncomingHttpHeaders & IncomingHttpStatusHeader;

/** The connection of an exchange, as far as it needs it. */
export interface StreamOwner {
  readonly origin: Origin;
  readonly address: string;
  readonly ip: string;
  readonly parentKey: string | null;
  readonly limits: HeadLimits;
  readonly bodyRules: BodyRules;
  /** Opens a stream. */
  request(head: RawFields, hasBody: boolean): ClientHttp2Stream;
  /** The exchange is over. */
  ended(exchange: H2Exchange): void;
  /** Closes the connection at once. */
  abandon(): void;
}

/** For a reset that cannot leave, since the host reads nothing. */
const RESET_MS_MAX = 60_000;

/** One exchange on an HTTP/2 connection to an origin: its stream, from the request to the end of the answer. */
export class H2Exchange implements Deadline {
  readonly protocol = 'h2';
  dueMs = Number.POSITIVE_INFINITY;
  /** The host has said that it did nothing with the request: it may be sent again whatever it asks for (RFC 9113 section 8.7). */
  unprocessed = false;
  readonly #upstream: StreamOwner;
  #stream: ClientHttp2Stream | null = null;
  #settle: { resolve(response: UpstreamResponse): void; reject(error: ProxyError): void } | null = null;
  #awaiting: Awaiting | null = null;
  #body: H2Body | null = null;
  /** The head of the answer is here, and `response` is told of it at the end of this turn. */
  #answered: UpstreamResponse | null = null;
  #interims = 0;
  #isAbandoned = false;
  #isOver = false;

  constructor(upstream: StreamOwner) {
    this.#upstream = upstream;
    deadlines.add(this);
  }

  get origin(): Origin {
    return this.#upstream.origin;
  }

  get address(): string {
    return this.#upstream.address;
  }

  get ip(): string {
    return this.#upstream.ip;
  }

  get parentKey(): string | null {
    return this.#upstream.parentKey;
  }

  /**
   * Sends the head. The body, if there is one, goes to the sink.
   * @param trailersOf what of a trailer section may pass
   */
  begin(head: RawFields, hasBody: boolean, trailersOf: (trailers: FieldList) => FieldList): H2Sink {
    const stream = this.#upstream.request(head, hasBody);
    this.#stream = stream;
    stream.on('error', ignore);
    stream.on('close', () => this.#onClose());
    stream.on('headers', (headers: Headers, _flags: number, raw: string[]) => this.#onInterim(rawOf(raw, headers)));
    stream.on('response', (headers: Headers, flags: number, raw: string[]) =>
      this.#onResponse(rawOf(raw, headers), (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0),
    );
    return new H2Sink(stream, trailersOf);
  }

  /** Waits for the answer. Rejects with what went wrong, `retryable` if nothing of it came. */
  response(awaiting: Awaiting): Promise<UpstreamResponse> {
    this.#awaiting = awaiting;
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      if (this.#stream?.destroyed === true) this.#onClose();
      else if (this.#isAbandoned) this.#giveUp();
    });
  }

  expireIn(ms: number): void {
    this.dueMs = deadlines.nowMs() + ms;
  }

  onDue(): void {
    if (this.#isAbandoned) {
      this.#upstream.abandon();
      return;
    }
    const isHalfSent = this.#awaiting?.sent.done === false;
    if (this.#settle === null) this.#body?.fail(idle());
    else if (isHalfSent) this.#fail('IDLE_TIMEOUT', 'the request body did not move for too long');
    else this.#fail('HEAD_TIMEOUT', `${this.origin.shown} did not begin its answer in time`);
    this.abandon();
  }

  /** Nothing more comes on the connection. */
  upstreamEnded(): void {
    if (this.#stream?.closed !== true) this.#stream?.destroy(new Error('the connection was ended'));
  }

  /** Nothing of it is wanted any more. */
  abandon(): void {
    const stream = this.#stream;
    if (stream === null) {
      this.#over();
      return;
    }
    this.#isAbandoned = true;
    this.expireIn(RESET_MS_MAX);
    // Whoever waits for it is told now: the reset may never leave.
    this.#giveUp();
    // One that both sides have ended takes no reset, and what nobody reads of it keeps it.
    if (stream.closed) stream.destroy();
    else resetStream(stream, constants.NGHTTP2_CANCEL);
  }

  /** The answer is complete. The host need not wait for the rest of a request that it has answered. */
  complete(): void {
    if (this.#awaiting?.sent.done === false) this.abandon();
  }

  #giveUp(): void {
    this.#fail('UPSTREAM_RESET', 'the request was given up');
    this.#body?.fail(new ProxyError('UPSTREAM_RESET', { stage: 'relay', side: 'upstream' }));
  }

  #onInterim(raw: RawFields): void {
    const head = readResponseHead(raw, this.#upstream.limits);
    this.#interims++;
    if (head.kind === 'refused') this.#invalid(head.why);
    else if (this.#interims > INTERIM_MAX) this.#invalid('too many interim answers');
    else if (this.#settle !== null) this.#awaiting?.onInterim(head);
  }

  #onResponse(raw: RawFields, isWhole: boolean): void {
    if (this.#settle === null || this.#answered !== null) return;
    const { limits } = this.#upstream;
    const head = readResponseHead(raw, limits);
    const framing = head.kind === 'refused' ? head : framingOf(head, this.#awaiting?.method ?? 'GET', isWhole);
    if (head.kind === 'refused') this.#invalid(head.why);
    else if (framing.kind === 'refused') this.#invalid(framing.why);
    else this.#answer(head, framing);
  }

  /** Node tells of a head before it reads on; the body of a small answer has come with it, and one turn later it is there as a whole. */
  #answer(head: ResponseHead, framing: Framing): void {
    const stream = this.#stream;
    if (stream === null) return;
    // What may not come is not read, so that nothing waits for it.
    if (framing.kind === 'none') stream.resume();
    else {
      const declared = framing.kind === 'length' ? framing.bytes : null;
      this.#body = new H2Body(stream, declared, this.#upstream.bodyRules);
    }
    this.#answered = { head, framing, body: this.#body };
    if (this.#body === null) this.#tell();
    else setImmediate(() => this.#tell());
  }

  #tell(): void {
    const settle = this.#settle;
    this.#settle = null;
    if (this.#answered !== null) settle?.resolve(this.#answered);
  }

  #onClose(): void {
    if (this.#answered !== null) this.#tell();
    const code = this.#stream?.rstCode ?? constants.NGHTTP2_NO_ERROR;
    this.unprocessed = code === constants.NGHTTP2_REFUSED_STREAM;
    this.#fail('UPSTREAM_RESET', `${this.origin.shown} ended the stream before it had answered`);
    this.#over();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    deadlines.delete(this);
    this.#upstream.ended(this);
  }

  #invalid(why: string): void {
    this.#fail('RESPONSE_INVALID', `the answer of ${this.origin.shown} is not valid: ${why}`);
    this.abandon();
  }

  #fail(code: Code, reason: string): void {
    const settle = this.#settle;
    if (settle === null) return;
    this.#settle = null;
    const retryable = code === 'UPSTREAM_RESET' && this.#interims === 0;
    const cause = new StreamReset(this.#stream?.rstCode ?? constants.NGHTTP2_NO_ERROR);
    settle.reject(new ProxyError(code, { stage: 'dispatch', side: 'upstream', reason, retryable, cause }));
  }
}

/** The end of a stream is the end of its body, whatever is declared; a length that does not fit is seen when it ends. */
function framingOf(head: ResponseHead, method: string, isWhole: boolean): Framing | Refused {
  const framing = responseFraming(head, method);
  if (framing.kind === 'refused') return framing;
  if (isWhole) return { kind: 'none' };
  return framing.kind === 'close' ? { kind: 'chunked' } : framing;
}

const idle = (): ProxyError =>
  new ProxyError('IDLE_TIMEOUT', { stage: 'relay', side: 'upstream', reason: 'nothing moved for too long' });

function ignore(): void {}
