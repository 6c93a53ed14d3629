/** A timer that is due this often; how late it comes is how long the event loop was held. */
const INTERVAL_MS = 500;

/** The longest that the event loop was held since it was last asked, in seconds. */
export class LagMeter {
  readonly #timer: NodeJS.Timeout;
  #dueMs = performance.now() + INTERVAL_MS;
  #worstMs = 0;

  constructor() {
    this.#timer = setInterval(() => this.#tick(), INTERVAL_MS);
    this.#timer.unref();
  }

  take(): number {
    const worstMs = this.#worstMs;
    this.#worstMs = 0;
    return worstMs / 1000;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const nowMs = performance.now();
    this.#worstMs = Math.max(this.#worstMs, nowMs - this.#dueMs);
    this.#dueMs = nowMs + INTERVAL_MS;
  }
}
