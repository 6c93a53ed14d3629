import { constants, type Http2Stream, type IncomingHttpHeaders } from 'node:http2';
import { type Code, ProxyError } from '../errors.ts';
import type { FieldList } from '../headers/field-list.ts';
import type { RawFields } from '../http2/raw-fields.ts';
import type { BodyFailure, BodySink, BodySource } from './body.ts';
import type { BodyFaults } from './h1-body.ts';
import { headersObject, rawOf } from './h2-fields.ts';

/** A stream that its peer has reset (RFC 9113 section 5.4.2), or that its connection took along. */
export class StreamReset extends Error {
  /** An error code of RFC 9113 section 7. */
  readonly code: number;

  constructor(code: number) {
    super(`the stream was reset with error code ${code}`);
    this.code = code;
  }
}

/** No more than one frame of the default size (RFC 9113 section 4.2), which is one Buffer and need not be copied into one. */
const HANDED_BYTES_MAX = 16_384;

/** Declared length of a body, bytes; null where only its end will tell. */
type DeclaredBytes = number | null;

/** What the bodies of one side have in common. */
export interface BodyRules extends BodyFaults {
  /** Reads a trailer section; null if it is not valid. */
  readonly trailersOf: (raw: RawFields) => FieldList | null;
}

/**
 * The body of one HTTP/2 message. Made as soon as its stream is known, since trailers are told of only once; nothing is read before `moveTo`, so
 * that flow control holds the peer back.
 */
export class H2Body implements BodySource {
  readonly #stream: Http2Stream;
  readonly #rules: BodyRules;
  readonly #declaredBytes: DeclaredBytes;
  #trailers: FieldList | null = [];
  #bytes = 0;
  #settle: ((failure: BodyFailure) => void) | null = null;

  constructor(stream: Http2Stream, declaredBytes: DeclaredBytes, rules: BodyRules) {
    this.#stream = stream;
    this.#declaredBytes = declaredBytes;
    this.#rules = rules;
    stream.on('trailers', (headers: IncomingHttpHeaders, _flags: number, raw: readonly string[]) => {
      this.#trailers = rules.trailersOf(rawOf(raw, headers));
    });
  }

  moveTo(sink: BodySink, onBytes: (count: number) => void): BodyFailure | Promise<BodyFailure> {
    const stream = this.#stream;
    if (this.#isHere() && stream.readableLength <= HANDED_BYTES_MAX) return this.#handTo(sink, onBytes);
    const resume = (): void => void stream.resume();
    return new Promise((resolve) => {
      this.#settle = resolve;
      // An empty body may be over already. But Node throws away what a client has sent on a stream that was closed before it was read.
      const isOver = stream.readableEnded && !(stream.closed && this.#rules.side === 'client');
      if (isOver) return this.#finish(this.#endOf(sink));
      if (stream.readableEnded || stream.destroyed) return this.#finish(this.#cut());
      stream.on('end', () => this.#onEnd(sink));
      stream.on('close', () => {
        // Most streams close after their end: an error is made only where it is one.
        if (this.#settle !== null) this.#finish(this.#cut());
      });
      stream.on('data', (bytes: Buffer) => {
        if (this.#settle === null) return;
        this.#bytes += bytes.length;
        onBytes(bytes.length);
        if (sink.write(bytes)) return;
        stream.pause();
        sink.whenDrained(resume);
      });
    });
  }

  /** Nobody wants it any more, nor to be told of its end: what still comes is thrown away. */
  drop(): void {
    this.#settle = null;
    this.#stream.resume();
  }

  /** Ends it with this, whatever the stream does. */
  fail(failure: ProxyError): void {
    this.#finish(failure);
  }

  /** All of an answer has arrived, its trailers too, and nobody has taken any of it. */
  #isHere(): boolean {
    const { closed, destroyed, rstCode } = this.#stream;
    return this.#rules.side === 'upstream' && closed && !destroyed && rstCode === constants.NGHTTP2_NO_ERROR;
  }

  /** What is here needs no events, which cost more than the few bytes. They are not waited for: there is no more of them. */
  #handTo(sink: BodySink, onBytes: (count: number) => void): BodyFailure {
    const bytes: Buffer | null = this.#stream.read();
    if (bytes !== null) {
      this.#bytes = bytes.length;
      onBytes(bytes.length);
      sink.write(bytes);
    }
    return this.#endOf(sink);
  }

  #onEnd(sink: BodySink): void {
    if (this.#settle !== null) this.#finish(this.#endOf(sink));
  }

  #endOf(sink: BodySink): BodyFailure {
    const isShort = this.#declaredBytes !== null && this.#bytes !== this.#declaredBytes;
    if (isShort || this.#wasReset()) return this.#cut();
    if (this.#trailers === null) return this.#failure(this.#rules.invalid, 'a trailer section is not valid');
    sink.end(this.#trailers);
    return null;
  }

  /**
   * Node ends a stream that was reset with NO_ERROR in the same way as one that has ended. A client that resets its request has left (RFC 9113
   * section 8.1 lets a server do so alone). In an answer it is as good as an end: servers of Node, when they are busy, send it in place of
   * END_STREAM after all bytes, and clients take that.
   */
  #wasReset(): boolean {
    const { closed, rstCode = constants.NGHTTP2_NO_ERROR } = this.#stream;
    return closed && (this.#rules.side === 'client' || rstCode !== constants.NGHTTP2_NO_ERROR);
  }

  #cut(): ProxyError {
    return this.#failure(this.#rules.cut, 'the stream was reset in the middle of a body');
  }

  #failure(code: Code, reason: string): ProxyError {
    const cause = new StreamReset(this.#stream.rstCode ?? constants.NGHTTP2_NO_ERROR);
    return new ProxyError(code, { stage: 'relay', side: this.#rules.side, reason, cause });
  }

  #finish(failure: BodyFailure): void {
    const settle = this.#settle;
    this.#settle = null;
    settle?.(failure);
  }
}

/** How a body leaves on an HTTP/2 stream. */
export class H2Sink implements BodySink {
  readonly #stream: Http2Stream;
  readonly #trailersOf: (trailers: FieldList) => FieldList;

  /**
   * @param stream opened with `waitForTrailers`, always: without it Node closes the stream before it hears that the last bytes were written, and makes
   *   an error of that, which costs more than trailers that are empty
   * @param trailersOf what of a trailer section may pass; called once, at the end of the body
   */
  constructor(stream: Http2Stream, trailersOf: (trailers: FieldList) => FieldList) {
    this.#stream = stream;
    this.#trailersOf = trailersOf;
  }

  write(bytes: Buffer): boolean {
    return this.#stream.writable ? this.#stream.write(bytes) : true;
  }

  whenDrained(resume: () => void): void {
    this.#stream.once('drain', resume);
  }

  end(trailers: FieldList): void {
    const stream = this.#stream;
    const safe = trailers.length === 0 ? trailers : this.#trailersOf(trailers);
    stream.on('wantTrailers', () => stream.sendTrailers(headersObject(safe)));
    stream.end();
  }
}
