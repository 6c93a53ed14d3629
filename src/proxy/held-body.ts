import type { FieldList } from '../headers/field-list.ts';
import type { BodyFailure, BodySink, BodySource } from '../wire/body.ts';

/** All bodies that are held at once, of all requests. Past it a body leaves in chunks instead. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;
let heldBytes = 0;

/** Takes room for a body that is to be held whole; false if there is none. Give it back with `releaseRoom`. */
export function takeRoom(bytes: number): boolean {
  if (heldBytes + bytes > HELD_BYTES_MAX) return false;
  heldBytes += bytes;
  return true;
}

export function releaseRoom(bytes: number): void {
  heldBytes -= bytes;
}

/** Takes a whole body of a declared length into memory that was set aside for it: many small pieces cost no more than one. */
export class HeldBody implements BodySink {
  readonly bytes: Buffer;
  #at = 0;

  constructor(length: number) {
    this.bytes = Buffer.allocUnsafeSlow(length);
  }

  write(bytes: Buffer): boolean {
    this.#at += bytes.copy(this.bytes, this.#at);
    return true;
  }

  whenDrained(): void {}

  end(_trailers: FieldList): void {}
}

/** A body that is there as a whole. */
export class WholeBody implements BodySource {
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  moveTo(sink: BodySink, onBytes: (count: number) => void): BodyFailure | Promise<BodyFailure> {
    onBytes(this.#bytes.length);
    const taken = this.#bytes.length === 0 || sink.write(this.#bytes);
    sink.end([]);
    return taken ? null : new Promise((resolve) => sink.whenDrained(() => resolve(null)));
  }
}
