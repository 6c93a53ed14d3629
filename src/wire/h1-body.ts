import { type Code, ProxyError, type Side } from '../errors.ts';
import type { FieldList } from '../headers/field-list.ts';
import type { BodyReader } from '../http1/body-events.ts';
import { CHUNK_END, chunkStart, lastChunk } from '../http1/write.ts';
import type { BodyFailure, BodySink, BodySource } from './body.ts';
import type { Wire, WireOwner } from './wire.ts';

/** What a failure of this body is called: the client's and the upstream's have different codes for the same events. */
export interface BodyFaults {
  readonly side: Side;
  /** The bytes are not a body. */
  readonly invalid: Code;
  /** The connection ended before the body did. */
  readonly cut: Code;
}

/** The body of one HTTP/1.1 message, read from its wire. It owns the wire from `moveTo` until the body has ended or failed. */
export class H1Body implements BodySource, WireOwner {
  readonly #wire: Wire;
  readonly #reader: BodyReader;
  readonly #faults: BodyFaults;
  #sink: BodySink | null = null;
  #onBytes: (count: number) => void = ignore;
  #outcome: BodyFailure | undefined;
  #settle: (failure: BodyFailure) => void = ignore;
  #blocked = false;
  readonly #resume = (): void => {
    this.#blocked = false;
    // Where the last bytes filled the sink nothing is left to arrive, and so nothing to wake for: the end has to be looked for.
    this.onReadable();
    this.#wire.wake();
  };

  constructor(wire: Wire, reader: BodyReader, faults: BodyFaults) {
    this.#wire = wire;
    this.#reader = reader;
    this.#faults = faults;
  }

  moveTo(sink: BodySink, onBytes: (count: number) => void): BodyFailure | Promise<BodyFailure> {
    this.#sink = sink;
    this.#onBytes = onBytes;
    this.#wire.give(this);
    if (this.#wire.gone) this.onGone();
    else this.onReadable();
    this.#wire.wake();
    if (this.#outcome !== undefined) return this.#outcome;
    return new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  onReadable(): void {
    const sink = this.#sink;
    if (sink === null) return;
    if (this.#reader.endsWithConnection && !this.#wire.ended) this.#wire.expectEnd();
    while (!this.#blocked) {
      const event = this.#reader.read(this.#wire.inbox);
      if (event === 'more') break;
      if (!Buffer.isBuffer(event)) {
        if (event.kind === 'end') this.#finish(sink, event.trailers);
        else this.#fail(this.#faults.invalid, event.why);
        return;
      }
      this.#onBytes(event.length);
      if (!sink.write(event)) this.#block(sink);
    }
    if (this.#wire.ended && !this.#blocked) this.#onEnd(sink);
  }

  onGone(): void {
    if (this.#sink !== null) this.#fail(this.#faults.cut, 'the connection was closed in the middle of a body');
  }

  onDeadline(): void {
    this.#fail('IDLE_TIMEOUT', 'nothing moved for too long');
    this.#wire.destroy();
  }

  #block(sink: BodySink): void {
    this.#blocked = true;
    sink.whenDrained(this.#resume);
  }

  /** The peer ended its side: that completes a close-delimited body and cuts any other. */
  #onEnd(sink: BodySink): void {
    const { error, endedAbruptly } = this.#wire;
    if (this.#reader.endsWithConnection && error === null && !endedAbruptly) this.#finish(sink, []);
    else this.#fail(this.#faults.cut, 'the connection ended in the middle of a body');
  }

  #finish(sink: BodySink, trailers: FieldList): void {
    this.#leave();
    sink.end(trailers);
    this.#outcome = null;
    this.#settle(null);
  }

  #fail(code: Code, reason: string): void {
    this.#leave();
    const failure = new ProxyError(code, { stage: 'relay', side: this.#faults.side, reason, cause: this.#wire.error });
    this.#outcome = failure;
    this.#settle(failure);
  }

  #leave(): void {
    this.#sink = null;
    if (this.#wire.owner === this) this.#wire.give(null);
  }
}

function ignore(): void {}

/** How a body leaves on an HTTP/1.1 connection: as it is (its length is declared, or the connection's end is its end), or in chunks. */
export class H1Sink implements BodySink {
  readonly #wire: Wire;
  readonly #chunked: boolean;
  readonly #trailersOf: (trailers: FieldList) => FieldList;

  /** @param trailersOf what of a trailer section may pass; called once, at the end of a chunked body */
  constructor(wire: Wire, framing: 'plain' | 'chunked', trailersOf: (trailers: FieldList) => FieldList) {
    this.#wire = wire;
    this.#chunked = framing === 'chunked';
    this.#trailersOf = trailersOf;
  }

  write(bytes: Buffer): boolean {
    if (!this.#chunked) return this.#wire.write(bytes);
    this.#wire.writeText(chunkStart(bytes.length));
    this.#wire.write(bytes);
    return this.#wire.writeText(CHUNK_END);
  }

  whenDrained(resume: () => void): void {
    this.#wire.whenDrained(resume);
  }

  end(trailers: FieldList): void {
    if (this.#chunked) this.#wire.writeText(lastChunk(trailers.length === 0 ? trailers : this.#trailersOf(trailers)));
  }
}
