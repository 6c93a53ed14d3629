const EMPTY = Buffer.alloc(0);

/**
 * Bytes that a peer sent and nobody has read yet. Readers take slices from the front without copying; only what is left over when more
 * arrives is joined with it, and what is left over is the rest of one head or one chunk-size line.
 */
export class Inbox {
  #bytes: Buffer = EMPTY;
  #at = 0;

  get length(): number {
    return this.#bytes.length - this.#at;
  }

  push(chunk: Buffer): void {
    this.#bytes = this.length === 0 ? chunk : Buffer.concat([this.#bytes.subarray(this.#at), chunk]);
    this.#at = 0;
  }

  /** The first `count` bytes, taken out. `count` must not be over `length`. */
  take(count: number): Buffer {
    const start = this.#at;
    const end = start + count;
    const bytes = this.#bytes;
    const slice = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
    if (end === bytes.length) this.#clear();
    else this.#at = end;
    return slice;
  }

  /** Like `take`, as text of one character a byte (ISO 8859-1). */
  takeText(count: number): string {
    const text = this.#bytes.toString('latin1', this.#at, this.#at + count);
    this.skip(count);
    return text;
  }

  skip(count: number): void {
    this.#at += count;
    if (this.#at === this.#bytes.length) this.#clear();
  }

  /** Everything, left in. */
  peek(): Buffer {
    return this.#bytes.subarray(this.#at);
  }

  /** Everything, taken out. */
  takeAll(): Buffer {
    return this.take(this.length);
  }

  /** The byte at `index` from the front, or undefined past the end. */
  at(index: number): number | undefined {
    return this.#bytes[this.#at + index];
  }

  /** Where `needle` begins, counted from the front and not before `from`; -1 if it is not there. */
  indexOf(needle: Uint8Array | number, from = 0): number {
    const found = this.#bytes.indexOf(needle, this.#at + from);
    return found < 0 ? -1 : found - this.#at;
  }

  #clear(): void {
    this.#bytes = EMPTY;
    this.#at = 0;
  }
}
