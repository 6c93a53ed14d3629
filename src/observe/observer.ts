import { auditLine } from './audit-line.ts';
import type { LineSink } from './line-sink.ts';
import type { Metrics } from './metrics.ts';
import type { ExchangeRecord, Observer } from './record.ts';

/** Joins what is recorded: the audit line and the counts of every exchange. */
export class Recorder implements Observer {
  readonly #audit: LineSink;
  readonly #metrics: Metrics;
  /** `log.audit_required`: no line, no traffic. */
  auditRequired = false;

  constructor(audit: LineSink, metrics: Metrics) {
    this.#audit = audit;
    this.#metrics = metrics;
  }

  get accepting(): boolean {
    return !this.auditRequired || this.#audit.healthy;
  }

  concluded(record: ExchangeRecord): void {
    const durationMs = performance.now() - record.startedMs;
    this.#audit.write(auditLine(record, durationMs, Date.now()));
    this.#metrics.concluded(record, durationMs);
  }

  connectionOpened(side: 'client' | 'upstream'): void {
    this.#metrics.connections[side]++;
  }

  connectionClosed(side: 'client' | 'upstream'): void {
    this.#metrics.connections[side]--;
  }

  tunnelOpened(): void {
    this.#metrics.tunnels++;
  }

  tunnelClosed(): void {
    this.#metrics.tunnels--;
  }
}
