import type { Budget } from '../budget/budget.ts';
import { ProxyError, type Quota, type Stage } from '../errors.ts';
import type { ExchangeRecord } from '../observe/record.ts';
import { type LimitName, limitText } from '../policy/limits-text.ts';
import type { LimitsSpec } from '../policy/model.ts';

/** What one request or tunnel of a rule with limits may still send. Made when it is let in, given back once, whatever ends it. */
export class Allowance {
  readonly #budget: Budget;
  readonly #limits: LimitsSpec;
  readonly #record: ExchangeRecord;
  #bodyBytes = 0;
  #isGivenBack = false;

  /**
   * Lets it in. Throws `RATE_LIMITED` if the budget has no room.
   * @param bytes that it says it is going to send; at least one is.
   */
  constructor(budget: Budget, limits: LimitsSpec, bytes: number, record: ExchangeRecord) {
    this.#budget = budget;
    this.#limits = limits;
    this.#record = record;
    const quota = budget.enter(Math.max(1, bytes));
    if (quota !== null) throw this.#used(quota, 'decide');
  }

  /** So many bytes are about to leave: why they must not, or null. */
  spend(bytes: number, stage: Stage): ProxyError | null {
    const quota = this.#budget.spend(bytes);
    return quota === null ? null : this.#used(quota, stage);
  }

  /** The same for bytes of a request body. */
  spendBody(bytes: number): ProxyError | null {
    const { bodyBytesMax } = this.#limits;
    this.#bodyBytes += bytes;
    if (bodyBytesMax !== null && this.#bodyBytes > bodyBytesMax)
      return bodyTooLarge(this.#limits, this.#record, 'dispatch');
    return this.spend(bytes, 'dispatch');
  }

  giveBack(): void {
    if (!this.#isGivenBack) this.#budget.leave();
    this.#isGivenBack = true;
  }

  #used(quota: Quota, stage: Stage): ProxyError {
    const { limits } = this.#budget;
    noteLimit(this.#record, quota.limit);
    const reason = `limits.${quota.limit} of the rule (${limitText(limits, quota.limit)}) ${quota.limit === 'concurrency' ? 'is reached' : 'is used up'}`;
    return new ProxyError('RATE_LIMITED', { stage, side: 'client', reason, quota });
  }
}

/** A body that is larger than the rule allows, by what it declares or by what came of it. */
export function bodyTooLarge(limits: LimitsSpec, record: ExchangeRecord, stage: Stage): ProxyError {
  noteLimit(record, 'body');
  const reason = `the request body is larger than limits.body of the rule (${limitText(limits, 'body')})`;
  return new ProxyError('BODY_TOO_LARGE', { stage, side: 'client', reason });
}

/** The first limit is the one that counts. */
function noteLimit(record: ExchangeRecord, limit: LimitName): void {
  record.limited ??= limit;
}
