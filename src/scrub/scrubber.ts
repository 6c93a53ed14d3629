import { UNDECIDED } from './edges.ts';
import { maskAll } from './mask.ts';
import type { Needles } from './needles.ts';

/** Whether a body is a whole, or a part of something whose edges can cut a secret in two (206, RFC 9110 section 15.3.7). */
export type Extent = 'whole' | 'part';

/**
 * Masks the secrets in one body, given in pieces of any size, with as many `*` as they have bytes. Whatever the pieces are, what comes out
 * is the same. Where secrets overlap, every byte of each is masked. Only bytes that can be the beginning of a secret are held back.
 */
export class Scrubber {
  readonly #needles: Needles;
  readonly #isPart: boolean;
  /** Whether the first edge is still to be looked at. */
  #atEdge: boolean;
  #held: Buffer = NOTHING;
  /** How many of the bytes to come, the held ones first, belong to a secret that began before them. */
  #coveredBytes = 0;
  #count = 0;
  /** Where each secret begins and ends in the bytes at hand. */
  readonly #found: number[] = [];

  constructor(needles: Needles, extent: Extent = 'whole') {
    this.#needles = needles;
    this.#isPart = extent === 'part';
    this.#atEdge = this.#isPart;
  }

  /** How many secrets were masked so far; those that overlap are one. */
  get count(): number {
    return this.#count;
  }

  get heldBytes(): number {
    return this.#held.length;
  }

  /**
   * What can be sent on now, possibly nothing. The very Buffer that was given, if nothing in it is masked or held; it is never written to.
   */
  push(bytes: Buffer): Buffer {
    if (bytes.length === 0) return bytes;
    const text = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    this.#found.length = 0;
    if (this.#atEdge && !this.#lookAtEdge(text, false)) return this.#release(text, 0);
    return this.#release(text, this.#needles.search(text, this.#found));
  }

  /** The rest, when the body is over. */
  end(): Buffer {
    const text = this.#held;
    if (text.length === 0) return text;
    this.#found.length = 0;
    if (this.#atEdge) this.#lookAtEdge(text, true);
    this.#needles.searchLast(text, 0, this.#isPart, this.#found);
    return this.#release(text, text.length);
  }

  /** Whether the first edge is done with: not before enough of the text is there to tell. */
  #lookAtEdge(text: Buffer, isOver: boolean): boolean {
    const end = this.#needles.openingPiece(text, isOver);
    if (end === UNDECIDED) return false;
    this.#atEdge = false;
    if (end > 0) this.#found.push(0, end);
    return true;
  }

  /** The text up to the cut, masked; the rest is held. */
  #release(text: Buffer, cut: number): Buffer {
    // A copy: the few bytes would keep all of theirs alive.
    this.#held = cut === text.length ? NOTHING : Buffer.from(text.subarray(cut));
    const ready = cut === text.length ? text : text.subarray(0, cut);
    if (this.#found.length === 0 && this.#coveredBytes === 0) return ready;
    return this.#masked(ready);
  }

  #masked(ready: Buffer): Buffer {
    const copy = Buffer.from(ready);
    const { count, coveredBytes } = maskAll(copy, this.#found, this.#coveredBytes);
    this.#count += count;
    this.#coveredBytes = coveredBytes;
    return copy;
  }
}

const NOTHING = Buffer.alloc(0);
