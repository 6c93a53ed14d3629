import type { Transform } from 'node:stream';
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from 'node:zlib';
import { ProxyError } from '../errors.ts';
import type { FieldList } from '../headers/field-list.ts';
import type { Coding } from '../scrub/accept-encoding.ts';
import type { BodyFailure, BodySink } from '../wire/body.ts';

const CHUNK_BYTES = 64 * 1024;
/** RFC 8878 section 3.1.1.1.2 recommends 8 MiB as the largest window that a decoder must have room for. */
const ZSTD_WINDOW_LOG_MAX = 23;
/** gzip makes of one byte at most 1,032. What grows by more, once it is large, was made to. */
const GROWTH_MAX = 1_100;
const GROWTH_FREE_BYTES = 16 * 1024 * 1024;

/**
 * Passes a coded body into another sink decoded, with back-pressure, as far as it can be read: what is no such coding, or grows without
 * end, fails with `RESPONSE_INVALID`.
 */
export class DecodingSink implements BodySink {
  readonly #inner: BodySink;
  readonly #coding: Coding;
  readonly #onBytes: () => void;
  #decoder: Transform | null = null;
  #bytesIn = 0;
  #bytesOut = 0;
  #trailers: FieldList = [];
  #settle: (failure: BodyFailure) => void = () => {};
  /** Resolves when the decoded body has been handed on, or with what is wrong with it. */
  readonly finished: Promise<BodyFailure> = new Promise((resolve) => {
    this.#settle = resolve;
  });

  /** @param onBytes called whenever decoded bytes were handed on */
  constructor(inner: BodySink, coding: Coding, onBytes: () => void) {
    this.#inner = inner;
    this.#coding = coding;
    this.#onBytes = onBytes;
  }

  write(bytes: Buffer): boolean {
    this.#bytesIn += bytes.length;
    this.#decoder ??= this.#start(bytes);
    return this.#decoder.write(bytes);
  }

  whenDrained(resume: () => void): void {
    this.#decoder?.once('drain', resume);
  }

  end(trailers: FieldList): void {
    this.#trailers = trailers;
    if (this.#decoder === null) this.#finish();
    else this.#decoder.end();
  }

  destroy(): void {
    this.#decoder?.destroy();
  }

  #start(first: Buffer): Transform {
    const decoder = decoderFor(this.#coding, first);
    decoder.on('error', () => this.#fail('is not what its Content-Encoding says'));
    decoder.on('data', (bytes: Buffer) => this.#pass(bytes, decoder));
    decoder.on('end', () => this.#finish());
    return decoder;
  }

  #pass(bytes: Buffer, decoder: Transform): void {
    this.#bytesOut += bytes.length;
    if (this.#bytesOut > GROWTH_FREE_BYTES && this.#bytesOut > this.#bytesIn * GROWTH_MAX) {
      this.#fail('grows without end when it is decoded');
      return;
    }
    this.#onBytes();
    if (this.#inner.write(bytes)) return;
    decoder.pause();
    this.#inner.whenDrained(() => {
      this.#onBytes();
      decoder.resume();
    });
  }

  #finish(): void {
    this.#inner.end(this.#trailers);
    this.#settle(null);
  }

  #fail(why: string): void {
    this.#decoder?.destroy();
    const reason = `the body of the answer ${why}`;
    this.#settle(new ProxyError('RESPONSE_INVALID', { stage: 'relay', side: 'upstream', reason }));
  }
}

function decoderFor(coding: Coding, first: Buffer): Transform {
  const options = { chunkSize: CHUNK_BYTES };
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip(options);
    case 'br':
      return createBrotliDecompress(options);
    case 'zstd':
      return createZstdDecompress({ ...options, params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX } });
    case 'deflate':
      // RFC 9110 section 8.4.1.2 has it in the zlib format; some servers leave its header out.
      return isZlib(first) ? createInflate(options) : createInflateRaw(options);
  }
}

/** RFC 1950 section 2.2: compression method 8 in the low half of the first byte. The raw format never begins so with a stored or last block of use. */
const isZlib = (bytes: Buffer): boolean => ((bytes[0] ?? 0) & 0x0f) === 8;
