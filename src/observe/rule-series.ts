import type { Code } from '../errors.ts';
import type { LimitName } from '../policy/limits-text.ts';
import type { RuleSpec } from '../policy/model.ts';
import type { Snapshot } from '../runtime/snapshot.ts';
import { DURATION_BOUNDS, Histogram } from './histogram.ts';
import type { ExchangeRecord, Protocol } from './record.ts';

/** Time series as Prometheus counts them (a histogram is one for each bound and three more); new labels beyond it become `other`. */
export const SERIES_MAX = 10_000;
/** How long the series of a sandbox or rule stay after the last generation that held it: a scrape or two must still see their end. */
export const GONE_AFTER_MS = 5 * 60_000;
const SWEEP_INTERVAL_MS = 10_000;
const OTHER = 'other';

export interface RequestCount {
  readonly decision: ExchangeRecord['decision'];
  readonly code: Code | null;
  readonly protocol: Protocol;
  count: number;
}

/** As in `CompiledRule.label`, which is made only for rules that were asked for. */
const labelOf = (rule: RuleSpec): string => rule.name ?? `${rule.place.file}:${rule.place.line}`;

/** What is counted for one rule of one sandbox; empty names where no sandbox or no rule was found. */
export class RuleSeries {
  readonly sandbox: string;
  readonly rule: string;
  readonly requests: RequestCount[] = [];
  readonly duration = new Histogram(DURATION_BOUNDS);
  readonly injectedBySecret = new Map<string, number>();
  readonly limitedByName = new Map<LimitName, number>();
  scrubbed = 0;
  /** `performance.now()` since when no generation holds it; null while one does. */
  goneMs: number | null = null;

  constructor(sandbox: string, rule: string) {
    this.sandbox = sandbox;
    this.rule = rule;
  }

  get size(): number {
    return DURATION_BOUNDS.length + 3 + this.requests.length + this.injectedBySecret.size + this.limitedByName.size + 1;
  }
}

/** The series by sandbox and rule: found without building a key, bounded, and swept of what no generation holds any more. */
export class RuleSeriesTable {
  readonly #byRuleBySandbox = new Map<string, Map<string, RuleSeries>>();
  readonly #other = new RuleSeries(OTHER, OTHER);
  #size = 0;
  #snapshot: Snapshot | null = null;
  #sweptMs = Number.NEGATIVE_INFINITY;

  /** Counts one concluded exchange. */
  add(record: ExchangeRecord, durationMs: number): void {
    const series = this.#find(record.sandbox ?? '', record.rule ?? '');
    series.duration.observe(durationMs / 1000);
    this.#requestCount(series, record).count++;
    if (record.scrubbed > 0) series.scrubbed += record.scrubbed;
    if (record.limited !== null) this.#countLimit(series, record.limited);
    for (const secret of record.injected) this.#countSecret(series, secret);
  }

  /** The generation in force, which tells the series that stay from those that go. */
  set snapshot(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  /** Every series to be shown, `other` only once it was needed; those gone for long are dropped first. */
  values(): RuleSeries[] {
    this.sweep(performance.now());
    const all = [...this.#byRuleBySandbox.values()].flatMap((byRule) => [...byRule.values()]);
    return this.#other.requests.length > 0 ? [...all, this.#other] : all;
  }

  /** Marks what the generation in force does not hold, and drops what has been marked for five minutes. */
  sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    for (const [sandbox, byRule] of this.#byRuleBySandbox) {
      const live = this.#liveOf(sandbox, byRule);
      for (const [rule, series] of byRule) {
        series.goneMs = live.has(series) ? null : (series.goneMs ?? nowMs);
        if (series.goneMs === null || nowMs - series.goneMs < GONE_AFTER_MS) continue;
        byRule.delete(rule);
        this.#size -= series.size;
      }
      if (byRule.size === 0) this.#byRuleBySandbox.delete(sandbox);
    }
  }

  #find(sandbox: string, rule: string): RuleSeries {
    return this.#byRuleBySandbox.get(sandbox)?.get(rule) ?? this.#create(sandbox, rule);
  }

  #create(sandbox: string, rule: string): RuleSeries {
    const series = new RuleSeries(sandbox, rule);
    if (!this.#hasRoomFor(series.size)) return this.#other;
    this.#size += series.size;
    const byRule = this.#byRuleBySandbox.get(sandbox) ?? new Map<string, RuleSeries>();
    this.#byRuleBySandbox.set(sandbox, byRule.set(rule, series));
    return series;
  }

  #requestCount(series: RuleSeries, record: ExchangeRecord): RequestCount {
    for (const each of series.requests) {
      if (each.decision === record.decision && each.code === record.code && each.protocol === record.protocol)
        return each;
    }
    // `other` itself is bounded by the catalogue.
    if (series !== this.#other && !this.#hasRoomFor(1)) return this.#requestCount(this.#other, record);
    if (series !== this.#other) this.#size++;
    const created = { decision: record.decision, code: record.code, protocol: record.protocol, count: 0 };
    series.requests.push(created);
    return created;
  }

  #countSecret(series: RuleSeries, secret: string): void {
    const count = series.injectedBySecret.get(secret);
    if (count !== undefined) {
      series.injectedBySecret.set(secret, count + 1);
    } else if (series !== this.#other && this.#hasRoomFor(1)) {
      this.#size++;
      series.injectedBySecret.set(secret, 1);
    } else {
      this.#other.injectedBySecret.set(OTHER, (this.#other.injectedBySecret.get(OTHER) ?? 0) + 1);
    }
  }

  #countLimit(series: RuleSeries, limit: LimitName): void {
    const count = series.limitedByName.get(limit);
    // `other` itself is bounded by the four names.
    if (count === undefined && series !== this.#other) {
      if (!this.#hasRoomFor(1)) {
        this.#countLimit(this.#other, limit);
        return;
      }
      this.#size++;
    }
    series.limitedByName.set(limit, (count ?? 0) + 1);
  }

  #hasRoomFor(size: number): boolean {
    if (this.#size + size <= SERIES_MAX) return true;
    const nowMs = performance.now();
    if (nowMs - this.#sweptMs < SWEEP_INTERVAL_MS) return false;
    this.sweep(nowMs);
    return this.#size + size <= SERIES_MAX;
  }

  #liveOf(sandbox: string, byRule: ReadonlyMap<string, RuleSeries>): ReadonlySet<RuleSeries> {
    const held = this.#snapshot?.sandboxes.get(sandbox);
    // Before the first generation, and for clients that are no sandbox, there is nothing that could go.
    if (this.#snapshot === null || sandbox === '') return new Set(byRule.values());
    const labels = held === undefined ? [] : ['', ...(held.policy?.rules ?? []).map(labelOf)];
    return new Set(labels.flatMap((label) => byRule.get(label) ?? []));
  }
}
