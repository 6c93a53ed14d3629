import type { Metrics } from '../observe/metrics.ts';
import { Secret } from '../secrets/secret.ts';
import { isSame, type Reading, type Resolved, sourceKey } from '../secrets/sources.ts';
import type { GovernedByName } from './in-force.ts';

interface Seen {
  readonly resolved: Resolved;
  /** `performance.now()` when this value was first read. */
  readonly sinceMs: number;
}

/** Remembers since when each secret has its value, and counts what came of reading it. */
export class SecretLedger {
  readonly #metrics: Metrics;
  #seenByKey = new Map<string, Seen>();
  #governed: GovernedByName = new Map();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** Takes note of what was read for the sandboxes of a generation. */
  note(governed: GovernedByName, secrets: ReadonlyMap<string, Reading>): void {
    const nowMs = performance.now();
    for (const { spec } of governed.values()) {
      for (const { name, source } of spec.secrets)
        this.#count(name, secrets.get(sourceKey(source))?.resolved, sourceKey(source));
    }
    this.#seenByKey = new Map(
      [...secrets].map(([key, { resolved }]) => {
        const seen = this.#seenByKey.get(key);
        return [
          key,
          seen !== undefined && isSame(seen.resolved, resolved) ? seen : { resolved, sinceMs: nowMs },
        ] as const;
      }),
    );
    this.#governed = governed;
  }

  /** Seconds since each available secret got its value; the oldest where sandboxes give one name to several. */
  ages(): Iterable<readonly [secret: string, seconds: number]> {
    const ages = new Map<string, number>();
    for (const { spec } of this.#governed.values()) {
      for (const { name, source } of spec.secrets) {
        const seen = this.#seenByKey.get(sourceKey(source));
        if (!(seen?.resolved instanceof Secret)) continue;
        ages.set(name, Math.max(ages.get(name) ?? 0, (performance.now() - seen.sinceMs) / 1000));
      }
    }
    return ages;
  }

  #count(name: string, resolved: Resolved | undefined, key: string): void {
    const before = this.#seenByKey.get(key)?.resolved;
    if (!(resolved instanceof Secret)) this.#metrics.secretRefreshed(name, 'failed');
    else
      this.#metrics.secretRefreshed(name, before !== undefined && isSame(before, resolved) ? 'unchanged' : 'changed');
  }
}
