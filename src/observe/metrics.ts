import type { Snapshot } from '../runtime/snapshot.ts';
import { DURATION_BOUNDS, Histogram, OVERHEAD_BOUNDS } from './histogram.ts';
import type { ExchangeRecord } from './record.ts';
import { RuleSeriesTable } from './rule-series.ts';

export type ReloadOutcome = 'swapped' | 'unchanged' | 'refused';
export type RefreshOutcome = 'changed' | 'unchanged' | 'failed';

/** What a scrape reads from elsewhere at that moment. */
export interface MetricSources {
  readonly version: string;
  auditDropped(): number;
  /** Seconds since 1970 at which the CA expires; null while there is none. */
  caExpirySeconds(): number | null;
  /** Names of the sandboxes in quarantine. */
  quarantined(): Iterable<string>;
  /** Seconds since the value of each available secret was first seen. */
  secretAges(): Iterable<readonly [secret: string, seconds: number]>;
}

/**
 * Every count of contract section 8, in plain objects: a request pays for additions, not for labels. `exposition.ts` turns them
 * into text when they are asked for.
 */
export class Metrics {
  readonly rules = new RuleSeriesTable();
  readonly overhead = new Histogram(OVERHEAD_BOUNDS);
  readonly upstreamDuration = new Histogram(DURATION_BOUNDS);
  readonly connections = { client: 0, upstream: 0 };
  readonly bytes = { in: 0, out: 0 };
  readonly leaves = { minted: 0, renewed: 0, evicted: 0, failed: 0 };
  readonly reloads = { swapped: 0, unchanged: 0, refused: 0 };
  readonly reloadDuration = new Histogram(DURATION_BOUNDS);
  readonly secretRefreshes = new Map<string, Record<RefreshOutcome, number>>();
  readonly sources: MetricSources;
  tunnels = 0;
  generation = 0;
  lastSuccessSeconds = 0;

  constructor(sources: MetricSources) {
    this.sources = sources;
  }

  concluded(record: ExchangeRecord, durationMs: number): void {
    this.rules.add(record, durationMs);
    this.overhead.observe(record.overheadMs / 1000);
    if (record.upstreamMs !== null) this.upstreamDuration.observe(record.upstreamMs / 1000);
    this.bytes.in += record.bytesIn;
    this.bytes.out += record.bytesOut;
  }

  reloaded(outcome: ReloadOutcome, durationMs: number): void {
    this.reloads[outcome]++;
    this.reloadDuration.observe(durationMs / 1000);
    if (outcome !== 'refused') this.lastSuccessSeconds = Date.now() / 1000;
  }

  swapped(snapshot: Snapshot): void {
    this.generation = snapshot.generation;
    this.rules.snapshot = snapshot;
    this.#forgetSecretsBut(snapshot);
  }

  secretRefreshed(secret: string, outcome: RefreshOutcome): void {
    const counts = this.secretRefreshes.get(secret) ?? { changed: 0, unchanged: 0, failed: 0 };
    counts[outcome]++;
    this.secretRefreshes.set(secret, counts);
  }

  #forgetSecretsBut(snapshot: Snapshot): void {
    const held = new Set([...snapshot.sandboxes.values()].flatMap((sandbox) => [...sandbox.vault.keys()]));
    for (const secret of this.secretRefreshes.keys()) if (!held.has(secret)) this.secretRefreshes.delete(secret);
  }
}
