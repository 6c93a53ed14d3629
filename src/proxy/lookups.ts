import { Bucket } from '../budget/bucket.ts';
import { ProxyError } from '../errors.ts';

/** Questions of one sandbox that wait for the resolver. */
const WAITING_MAX = 64;
const WAITING_IN_ALL_MAX = 1_024;
/** Questions that the resolver is asked for one sandbox: so many at once, and then fifty a second. Cached names are free. */
const RATE = { amount: 500, windowMs: 10_000 } as const;
/** More sandboxes than this are looked through for those that have been quiet. */
const KEPT_MAX = 1_000;

interface Use {
  readonly bucket: Bucket;
  waiting: number;
}

/**
 * Bounds what the DNS listener asks the resolver for each sandbox. What it asks for a name under an allowed wildcard leaves the machine, and could
 * carry data to whoever serves that domain: slowly, then.
 */
export class Lookups {
  readonly #useBySandbox = new Map<string, Use>();
  #waiting = 0;

  /** Asks, if the sandbox may. Throws `RATE_LIMITED`, `OVERLOADED` without asking. */
  async within<T>(sandbox: string, ask: () => Promise<T>): Promise<T> {
    const nowMs = performance.now();
    const use = this.#useOf(sandbox, nowMs);
    if (use.waiting >= WAITING_MAX || this.#waiting >= WAITING_IN_ALL_MAX)
      throw new ProxyError('OVERLOADED', { ...AT_RESOLVE, reason: 'too many names are being looked up' });
    if (!use.bucket.take(1, nowMs))
      throw new ProxyError('RATE_LIMITED', { ...AT_RESOLVE, reason: 'the sandbox has too many names looked up' });
    use.waiting++;
    this.#waiting++;
    try {
      return await ask();
    } finally {
      use.waiting--;
      this.#waiting--;
    }
  }

  #useOf(sandbox: string, nowMs: number): Use {
    const known = this.#useBySandbox.get(sandbox);
    if (known !== undefined) return known;
    if (this.#useBySandbox.size >= KEPT_MAX) this.#forgetQuiet(nowMs);
    const use = { bucket: new Bucket(RATE, nowMs), waiting: 0 };
    this.#useBySandbox.set(sandbox, use);
    return use;
  }

  #forgetQuiet(nowMs: number): void {
    for (const [sandbox, { bucket, waiting }] of this.#useBySandbox)
      if (waiting === 0 && bucket.usedAt(nowMs) === 0) this.#useBySandbox.delete(sandbox);
  }
}

const AT_RESOLVE = { stage: 'resolve', side: 'client' } as const;
