/**
 * Deadlines of many connections for the price of one timer: whoever has a deadline stores a number, and a sweep compares. A stage that sets
 * and clears a deadline on every request would otherwise make and drop a timer each time. Deadlines are met up to one sweep late.
 */
export interface Deadline {
  /** On the clock of `nowMs()`; Infinity while none is set. */
  dueMs: number;
  onDue(): void;
}

const SWEEP_MS = 200;

export class Deadlines {
  readonly #all = new Set<Deadline>();
  #timer: NodeJS.Timeout | null = null;
  #nowMs = performance.now();

  /** Milliseconds of a monotonic clock, read once a sweep: exact enough for deadlines, and free. */
  nowMs(): number {
    return this.#nowMs;
  }

  /** How many are watched. */
  get size(): number {
    return this.#all.size;
  }

  add(deadline: Deadline): void {
    this.#all.add(deadline);
    if (this.#timer !== null) return;
    this.#nowMs = performance.now();
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#timer.unref();
  }

  delete(deadline: Deadline): void {
    this.#all.delete(deadline);
    if (this.#all.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #sweep(): void {
    this.#nowMs = performance.now();
    for (const each of this.#all) {
      if (each.dueMs > this.#nowMs) continue;
      each.dueMs = Number.POSITIVE_INFINITY;
      each.onDue();
    }
  }
}

/** All connections of the process share one. */
export const deadlines = new Deadlines();
