import type { Quota } from '../errors.ts';
import type { LimitsSpec, RateSpec } from '../policy/model.ts';
import { Bucket } from './bucket.ts';

/** A monotonic clock in milliseconds. */
export type Clock = () => number;

/** What a rate has left. */
export interface RateUse extends RateSpec {
  readonly used: number;
  readonly available: number;
}

/** What a rule used of its limits, for people. */
export interface Use {
  readonly requests: RateUse | null;
  readonly bytesOut: RateUse | null;
  readonly concurrency: number | null;
  readonly bodyBytesMax: number | null;
  /** Requests and tunnels that are open now. */
  readonly inFlight: number;
}

const MS_PER_S = 1_000;
/** Nobody knows when one of those in flight ends. */
const CONCURRENCY_RETRY_S = 1;

/** What one rule of one sandbox used of its limits. It outlives generations; whatever is in flight keeps the one that it entered. */
export class Budget {
  readonly #clock: Clock;
  #limits: LimitsSpec;
  #requests: Bucket | null;
  #bytesOut: Bucket | null;
  #inFlight = 0;

  constructor(limits: LimitsSpec, clock: Clock) {
    this.#clock = clock;
    this.#limits = limits;
    this.#requests = bucketFor(limits.requests, null, clock());
    this.#bytesOut = bucketFor(limits.bytesOut, null, clock());
  }

  get limits(): LimitsSpec {
    return this.#limits;
  }

  /**
   * One request, or one tunnel, that is going to send at least so many bytes. Returns the quota that has no room for it, and then nothing was
   * used; else `leave` must follow once.
   */
  enter(bytes: number): Quota | null {
    const { concurrency } = this.#limits;
    if (concurrency !== null && this.#inFlight >= concurrency) return concurrencyQuota(concurrency);
    const nowMs = this.#clock();
    if (this.#bytesOut !== null && this.#bytesOut.availableAt(nowMs) < bytes)
      return rateQuota('bytes_out', this.#bytesOut, bytes, nowMs);
    if (this.#requests !== null && !this.#requests.take(1, nowMs))
      return rateQuota('requests', this.#requests, 1, nowMs);
    this.#inFlight++;
    return null;
  }

  leave(): void {
    this.#inFlight--;
  }

  /** Uses bytes that are about to leave; the quota if they must not. */
  spend(bytes: number): Quota | null {
    if (this.#bytesOut === null) return null;
    const nowMs = this.#clock();
    return this.#bytesOut.take(bytes, nowMs) ? null : rateQuota('bytes_out', this.#bytesOut, bytes, nowMs);
  }

  /** The limits of a new generation. What was used of a limit that stays is kept; one that is new begins unused. */
  changeTo(limits: LimitsSpec): void {
    const nowMs = this.#clock();
    this.#limits = limits;
    this.#requests = bucketFor(limits.requests, this.#requests, nowMs);
    this.#bytesOut = bucketFor(limits.bytesOut, this.#bytesOut, nowMs);
  }

  use(): Use {
    const nowMs = this.#clock();
    const { concurrency, bodyBytesMax } = this.#limits;
    return {
      requests: useOf(this.#requests, nowMs),
      bytesOut: useOf(this.#bytesOut, nowMs),
      concurrency,
      bodyBytesMax,
      inFlight: this.#inFlight,
    };
  }
}

function bucketFor(rate: RateSpec | null, known: Bucket | null, nowMs: number): Bucket | null {
  if (rate === null) return null;
  if (known === null) return new Bucket(rate, nowMs);
  known.changeTo(rate, nowMs);
  return known;
}

function useOf(bucket: Bucket | null, nowMs: number): RateUse | null {
  if (bucket === null) return null;
  const available = bucket.availableAt(nowMs);
  return { ...bucket.rate, used: bucket.rate.amount - available, available };
}

function rateQuota(limit: 'requests' | 'bytes_out', bucket: Bucket, wanted: number, nowMs: number): Quota {
  return {
    limit,
    amount: bucket.rate.amount,
    available: bucket.availableAt(nowMs),
    windowS: bucket.rate.windowMs / MS_PER_S,
    retryAfterS: Math.max(1, Math.ceil(bucket.waitMs(wanted, nowMs) / MS_PER_S)),
  };
}

const concurrencyQuota = (amount: number): Quota => ({
  limit: 'concurrency',
  amount,
  available: 0,
  windowS: null,
  retryAfterS: CONCURRENCY_RETRY_S,
});
