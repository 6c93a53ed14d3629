const EMPTY = Buffer.alloc(0);
/** Bytes of a piece that is likely to be followed by more like it: where they are joined, room is left for as much again. */
const SMALL_BYTES_MAX = 1_024;

/**
 * Bytes that a peer sent and nobody has read yet, as the pieces in which they came. Bodies are taken as slices of those pieces, without
 * copying; pieces are joined only where something is searched that may straddle them: the rest of a head, or of a chunk-size line.
 */
export class Inbox {
  /** The front piece; what follows it is in `#more`. */
  #piece: Buffer = EMPTY;
  #at = 0;
  #more: Buffer[] = [];
  #length = 0;
  /** Where the front piece was joined here: the same with the room behind it. */
  #room: Buffer | null = null;

  get length(): number {
    return this.#length;
  }

  push(piece: Buffer): void {
    if (this.#length === 0) {
      this.#piece = piece;
      this.#room = null;
      this.#at = 0;
    } else if (this.#more.length > 0 || !this.#append(piece)) {
      this.#more.push(piece);
    }
    this.#length += piece.length;
  }

  /** Up to `max` bytes of the front piece, taken out; at least one if there is any. */
  take(max: number): Buffer {
    const piece = this.#piece;
    const start = this.#at;
    const end = Math.min(start + max, piece.length);
    this.#advance(end - start);
    return start === 0 && end === piece.length ? piece : piece.subarray(start, end);
  }

  /** The first `count` bytes, which must be there, taken out as text of one character a byte (ISO 8859-1). */
  takeText(count: number): string {
    this.#join();
    const text = this.#piece.toString('latin1', this.#at, this.#at + count);
    this.#advance(count);
    return text;
  }

  /** Drops the first `count` bytes, which must be there. */
  skip(count: number): void {
    this.#join();
    this.#advance(count);
  }

  /** Everything, left in. */
  peek(): Buffer {
    this.#join();
    return this.#piece.subarray(this.#at);
  }

  /** Everything, taken out. */
  takeAll(): Buffer {
    this.#join();
    return this.take(this.#length);
  }

  /** The byte at `index` from the front, or undefined past the end. */
  at(index: number): number | undefined {
    this.#join();
    return this.#piece[this.#at + index];
  }

  /** Where `needle` begins, counted from the front and not before `from`; -1 if it is not there. */
  indexOf(needle: Uint8Array | number, from = 0): number {
    this.#join();
    const found = this.#piece.indexOf(needle, this.#at + from);
    return found < 0 ? -1 : found - this.#at;
  }

  #advance(count: number): void {
    this.#at += count;
    this.#length -= count;
    if (this.#at < this.#piece.length) return;
    this.#piece = this.#more.shift() ?? EMPTY;
    this.#room = null;
    this.#at = 0;
  }

  /** A head that comes byte by byte is searched after each: joined anew every time, it would be copied as often as it has bytes. */
  #append(piece: Buffer): boolean {
    const end = this.#piece.length;
    if (this.#room === null || this.#room.length - end < piece.length) return false;
    // Nothing that was taken out before is written over: it all lies in front of the end.
    piece.copy(this.#room, end);
    this.#piece = this.#room.subarray(0, end + piece.length);
    return true;
  }

  #join(): void {
    const last = this.#more.at(-1);
    if (last === undefined) return;
    const spare = last.length <= SMALL_BYTES_MAX ? this.#length : 0;
    const room = Buffer.allocUnsafe(this.#length + spare);
    let end = this.#piece.copy(room, 0, this.#at);
    for (const piece of this.#more) end += piece.copy(room, end);
    this.#room = room;
    this.#piece = room.subarray(0, end);
    this.#at = 0;
    this.#more = [];
  }
}
