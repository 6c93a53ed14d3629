import type { Exposition } from './exposition.ts';
import type { Metrics } from './metrics.ts';

/** The metrics as text, on demand: prom-client is loaded by whoever scrapes first, off the way to the first request. */
export class Scrape {
  readonly #metrics: Metrics;
  #exposition: Promise<Exposition> | null = null;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  async text(): Promise<{ readonly type: string; readonly body: string }> {
    this.#exposition ??= import('./exposition.ts').then(({ Exposition: Loaded }) => new Loaded(this.#metrics));
    const exposition = await this.#exposition;
    return { type: exposition.contentType, body: await exposition.text() };
  }

  async close(): Promise<void> {
    (await this.#exposition)?.close();
  }
}
