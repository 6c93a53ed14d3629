/** The bytes end before what they announce, or go on after it. */
export class VectorError extends Error {}

/**
 * Takes numbers and vectors of the TLS presentation language (RFC 8446 3.3, 3.4) off the front of bytes. What runs past the end is a
 * `VectorError`, so nothing outside is ever read.
 */
export class VectorReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** An unsigned number of one or two octets. */
  number(octets: 1 | 2): number {
    const at = this.#advance(octets);
    return octets === 1 ? this.#bytes.readUInt8(at) : this.#bytes.readUInt16BE(at);
  }

  take(count: number): Buffer {
    const at = this.#advance(count);
    return this.#bytes.subarray(at, at + count);
  }

  /** A vector whose length is a number of one or two octets, of at least so many octets. */
  vector(lengthOctets: 1 | 2, octetsMin: number): Buffer {
    const length = this.number(lengthOctets);
    if (length < octetsMin) throw new VectorError('a vector is shorter than it may be');
    return this.take(length);
  }

  /** One vector and nothing after it. */
  onlyVector(lengthOctets: 1 | 2, octetsMin: number): VectorReader {
    const vector = this.vector(lengthOctets, octetsMin);
    if (!this.isAtEnd) throw new VectorError('bytes follow the end');
    return new VectorReader(vector);
  }

  /** Where the next `count` octets begin. */
  #advance(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) throw new VectorError('the bytes end too soon');
    this.#at = at + count;
    return at;
  }
}
