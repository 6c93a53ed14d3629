import type { RateSpec } from '../policy/model.ts';

/** Share of a limit by which sums of fractions may miss it: nothing that is due is refused for the last bit of a float. */
const ROUNDING = 1e-12;

/**
 * A token bucket: so much may be used at once, and what was used comes back evenly, all of it in one window. In any time no more passes than
 * the limit and what came back meanwhile. It keeps what was used and not what is left, so that a changed limit finds it again. Nothing runs
 * between two calls; every one of them says what time it is, on a clock that does not go back.
 */
export class Bucket {
  #rate: RateSpec;
  #used = 0;
  #atMs: number;

  constructor(rate: RateSpec, nowMs: number) {
    this.#rate = rate;
    this.#atMs = nowMs;
  }

  get rate(): RateSpec {
    return this.#rate;
  }

  /** Uses so much, all of it or nothing; false if there is less. */
  take(amount: number, nowMs: number): boolean {
    const used = this.usedAt(nowMs) + amount;
    if (used > this.#rate.amount * (1 + ROUNDING)) return false;
    this.#used = used;
    return true;
  }

  /** What was used and has not come back yet. */
  usedAt(nowMs: number): number {
    const { amount, windowMs } = this.#rate;
    // A clock that went back after all gives nothing back twice.
    if (nowMs <= this.#atMs) return this.#used;
    this.#used = Math.max(0, this.#used - ((nowMs - this.#atMs) * amount) / windowMs);
    this.#atMs = nowMs;
    return this.#used;
  }

  /** Whole units that are left. */
  availableAt(nowMs: number): number {
    const { amount } = this.#rate;
    const left = Math.floor(amount * (1 + ROUNDING) - this.usedAt(nowMs));
    return Math.min(amount, Math.max(0, left));
  }

  /** Milliseconds until so much can be used, if nothing else uses it; for more than there ever is, until all of it can. */
  waitMs(amount: number, nowMs: number): number {
    const missing = this.usedAt(nowMs) + Math.min(amount, this.#rate.amount) - this.#rate.amount;
    return missing <= 0 ? 0 : Math.ceil((missing * this.#rate.windowMs) / this.#rate.amount);
  }

  /** Another limit from now on. What was used stays used, but never for longer than one window of the new limit. */
  changeTo(rate: RateSpec, nowMs: number): void {
    this.#used = Math.min(this.usedAt(nowMs), rate.amount);
    this.#rate = rate;
  }
}
