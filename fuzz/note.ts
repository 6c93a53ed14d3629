const HEAD_BYTES = 8;
/** Longer inputs are noted as far as this. */
const INPUT_BYTES_MAX = 64 * 1024;

/**
 * A piece of memory of two threads: one writes down what it is about to try, the other sees whether that changes and what it was. So an input
 * that never ends, or ends the thread, is known.
 */
export class Note {
  readonly memory: SharedArrayBuffer;
  readonly #head: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(memory = new SharedArrayBuffer(HEAD_BYTES + INPUT_BYTES_MAX)) {
    this.memory = memory;
    this.#head = new Int32Array(memory, 0, 2);
    this.#bytes = new Uint8Array(memory, HEAD_BYTES);
  }

  write(input: Buffer): void {
    const length = Math.min(input.length, INPUT_BYTES_MAX);
    this.#bytes.set(input.subarray(0, length));
    this.#head[1] = length;
    Atomics.add(this.#head, 0, 1);
  }

  /** How many inputs were noted, modulo 2^32. */
  get count(): number {
    return Atomics.load(this.#head, 0);
  }

  /** The input that was noted last. */
  get input(): Buffer {
    return Buffer.from(this.#bytes.slice(0, this.#head[1]));
  }
}
