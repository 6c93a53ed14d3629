import { constants, type ServerHttp2Stream } from 'node:http2';
import { ProxyError } from '../errors.ts';
import { type FieldList, without } from '../headers/field-list.ts';
import { responseTrailers } from '../headers/hop-by-hop.ts';
import { type Framing, requestFraming } from '../http1/framing.ts';
import type { HeadLimits } from '../http1/head.ts';
import type { RequestHead } from '../http1/request-head.ts';
import type { Refused } from '../http1/syntax.ts';
import { rawFields, readTrailers } from '../http2/raw-fields.ts';
import type { BodyFailure, BodySink, BodySource } from '../wire/body.ts';
import { type Deadline, deadlines } from '../wire/deadlines.ts';
import { H2Body, H2Sink, StreamReset } from '../wire/h2-body.ts';
import { headersObject, listOf } from '../wire/h2-fields.ts';
import { resetStream } from '../wire/h2-reset.ts';
import type { AnswerHead, ClientRequest } from './client-request.ts';

const SIDE = { side: 'client', invalid: 'FRAMING_INVALID', cut: 'REQUEST_INVALID' } as const;
/** `Date` is the host's to say (SEMANTICS.md 6); the types of Node do not know the option. */
const NO_DATE: object = { sendDate: false };
const WITHOUT_BODY = { ...NO_DATE, endStream: true };
const WITH_BODY = { ...NO_DATE, waitForTrailers: true };
const NOTHING: BodySink = { write: () => true, whenDrained: () => {}, end: () => {} };

/** For an answer that says that too much is open: whoever does not take it is not waited for. */
const LAST_MS = 5_000;
/** Node sends no other as a final one; RFC 9110 section 15 defines none above. */
const STATUS_MAX = 599;

/** The connection of a request, as far as it needs it. */
export interface StreamsConnection {
  readonly limits: HeadLimits & {
    /** For the last bytes of an answer that its client does not take, and for a reset that cannot leave. */
    readonly idleMs: number;
  };
  /** Ends the connection and all that is on it. */
  giveUp(): void;
}

/** One request on an HTTP/2 connection, and its answer: one stream. */
export class H2Request implements ClientRequest, Deadline {
  readonly protocol = 'h2';
  readonly head: RequestHead | Refused;
  readonly startedMs = performance.now();
  dueMs = Number.POSITIVE_INFINITY;
  bodyTaken = false;
  headSent = false;
  readonly #stream: ServerHttp2Stream;
  readonly #isWhole: boolean;
  readonly #connection: StreamsConnection;
  #abort: (() => void) | null = null;
  #isAnswered = false;
  #isReset = false;
  #body: H2Body | null = null;

  /** @param isWhole the head came with END_STREAM */
  constructor(stream: ServerHttp2Stream, head: RequestHead | Refused, isWhole: boolean, connection: StreamsConnection) {
    this.#stream = stream;
    this.head = head;
    this.#isWhole = isWhole;
    this.#connection = connection;
    stream.on('error', ignore);
    // A client's reset with NO_ERROR closes nothing as long as something of its body lies unread.
    stream.on('aborted', () => {
      this.#left();
      this.#drop();
    });
    stream.on('close', () => {
      deadlines.delete(this);
      this.#left();
    });
  }

  get gone(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }

  /** The end of the stream is the end of the body, whatever the head declares. */
  framing(head: RequestHead): Framing | Refused {
    const declared = requestFraming(head);
    if (declared.kind === 'refused' || declared.kind === 'length') return declared;
    return this.#isWhole ? { kind: 'none' } : { kind: 'chunked' };
  }

  body(framing: Framing): BodySource | null {
    if (this.#isWhole || framing.kind === 'none' || (framing.kind === 'length' && framing.bytes === 0)) {
      this.bodyTaken = true;
      // What may still come is only an end, and is not waited for.
      this.#stream.resume();
      return null;
    }
    const declared = framing.kind === 'length' ? framing.bytes : null;
    this.#body = new H2Body(this.#stream, declared, {
      ...SIDE,
      trailersOf: (raw) => readTrailers(raw, this.#connection.limits),
    });
    const body = this.#body;
    const taken = (failure: BodyFailure): BodyFailure => {
      this.bodyTaken = failure === null;
      return failure;
    };
    return { moveTo: async (sink, onBytes) => taken(await body.moveTo(sink, onBytes)) };
  }

  onAbort(callback: () => void): void {
    this.#abort = callback;
  }

  sendInterim(status: number, _reason: string, fields: FieldList): void {
    if (this.gone || this.headSent) return;
    // RFC 9110 section 8.6: no length here.
    this.#stream.additionalHeaders(headersObject(without(fields, 'content-length'), status));
  }

  sendHead(head: AnswerHead): BodySink {
    const stream = this.#stream;
    if (head.status > STATUS_MAX) throw invalidStatus();
    this.headSent = true;
    if (this.gone) return NOTHING;
    const endStream = head.length === 'none';
    const raw = rawFields([':status', String(head.status)], head.fields);
    stream.respond(listOf(raw), endStream ? WITHOUT_BODY : WITH_BODY);
    const patienceMs = head.last === true ? LAST_MS : this.#connection.limits.idleMs;
    if (endStream) {
      this.#answered(patienceMs);
      if (!this.bodyTaken) this.#stop();
      return NOTHING;
    }
    const sink = new H2Sink(stream, responseTrailers);
    return {
      write: (bytes) => sink.write(bytes),
      whenDrained: (resume) => sink.whenDrained(resume),
      end: (trailers) => {
        sink.end(trailers);
        this.#answered(patienceMs);
        if (this.bodyTaken) return;
        // Nobody asks for the rest of the request any more, and a reset that comes for it must find nothing unread.
        this.#drop();
        // Trailers leave in an immediate that was asked for before this one.
        stream.once('wantTrailers', () => setImmediate(() => this.#stop()));
      },
    };
  }

  cutOff(error: ProxyError): void {
    const { cause } = error;
    this.#reset(cause instanceof StreamReset && cause.code !== 0 ? cause.code : constants.NGHTTP2_INTERNAL_ERROR);
  }

  takeOver(): null {
    return null;
  }

  /** The client does not take the end of its answer, nor, later, that it does not get it. */
  onDue(): void {
    if (this.#isReset) this.#connection.giveUp();
    else this.#reset(constants.NGHTTP2_CANCEL);
  }

  #reset(code: number): void {
    this.#isReset = true;
    this.#expireIn(this.#connection.limits.idleMs);
    resetStream(this.#stream, code);
  }

  #left(): void {
    const abort = this.#abort;
    this.#abort = null;
    if (!this.#isAnswered) abort?.();
  }

  #drop(): void {
    if (this.#body === null) this.#stream.resume();
    else this.#body.drop();
  }

  #expireIn(ms: number): void {
    // It is gone: nobody would take its deadline back.
    if (this.#stream.destroyed) return;
    this.dueMs = deadlines.nowMs() + ms;
    deadlines.add(this);
  }

  /** Everything was written; the client may take its time with it, within bounds. */
  #answered(patienceMs: number): void {
    this.#isAnswered = true;
    this.#expireIn(patienceMs);
  }

  /** RFC 9113 section 8.1: a client that is still sending is told that nobody reads it, and that its answer is complete all the same. */
  #stop(): void {
    this.#stream.close(constants.NGHTTP2_NO_ERROR);
    this.#drop();
  }
}

const invalidStatus = (): ProxyError =>
  new ProxyError('RESPONSE_INVALID', {
    stage: 'relay',
    side: 'upstream',
    reason: 'the status of the answer is above 599',
  });

function ignore(): void {}
