import { collectDefaultMetrics, type Metric, Registry } from 'prom-client';
import type { Histogram } from './histogram.ts';
import { LagMeter } from './lag-meter.ts';
import type { Metrics } from './metrics.ts';
import type { RuleSeries } from './rule-series.ts';

type Labels = Readonly<Record<string, string | number>>;
interface Sample {
  readonly labels: Labels;
  readonly value: number;
  readonly metricName?: string;
}
type Samples = () => Iterable<Sample>;
type Type = 'counter' | 'gauge' | 'histogram';

/** The event loop is looked at this often for prom-client's own lag figures; its default wakes the process 100 times a second. */
const LAG_PRECISION_MS = 500;

/**
 * The text that Prometheus scrapes: our counts as they stand, and prom-client's process metrics.
 * Loaded at the first scrape: prom-client takes some 20 ms and 4 MB, which a proxy that nobody scrapes never pays.
 */
export class Exposition {
  readonly #registry = new Registry();
  readonly #lag = new LagMeter();

  constructor(metrics: Metrics) {
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: LAG_PRECISION_MS });
    this.#addTraffic(metrics);
    this.#addPolicy(metrics);
    this.#addProcess(metrics);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  close(): void {
    this.#lag.close();
  }

  #addTraffic(metrics: Metrics): void {
    const each = (samples: (series: RuleSeries) => Iterable<Sample>) => () =>
      metrics.rules.values().flatMap((one) => [...samples(one)]);
    this.#add(
      'requests_total',
      'counter',
      'Requests, tunnels and refused connections, at their end.',
      each(requestSamples),
    );
    this.#add(
      'request_duration_seconds',
      'histogram',
      'First byte of the head to the end.',
      each((series) => histogramSamples('request_duration_seconds', series.duration, labelsOf(series))),
    );
    this.#add('injections_total', 'counter', 'Requests a secret was put into.', each(injectionSamples));
    this.#add(
      'scrubbed_total',
      'counter',
      'Echoes of secrets masked in responses.',
      each((series) => (series.scrubbed > 0 ? [{ labels: labelsOf(series), value: series.scrubbed }] : [])),
    );
    this.#add('limited_total', 'counter', 'Requests and tunnels that met a limit of their rule.', each(limitSamples));
    this.#add('quarantined', 'gauge', 'Sandboxes in quarantine.', () =>
      [...metrics.sources.quarantined()].map((sandbox) => ({ labels: { sandbox }, value: 1 })),
    );
    this.#add('overhead_seconds', 'histogram', 'Head read to head sent, both ways, without waiting.', () =>
      histogramSamples('overhead_seconds', metrics.overhead, {}),
    );
    this.#add('upstream_duration_seconds', 'histogram', 'Request head sent to response head received.', () =>
      histogramSamples('upstream_duration_seconds', metrics.upstreamDuration, {}),
    );
    this.#add('connections', 'gauge', 'Open connections.', () => byLabel('side', metrics.connections));
    this.#add('tunnels', 'gauge', 'Open tunnels.', () => one(metrics.tunnels));
    this.#add('bytes_total', 'counter', 'Body and tunnel bytes: in is towards clients.', () =>
      byLabel('direction', metrics.bytes),
    );
    this.#add('leaf_certificates_total', 'counter', 'Leaf certificates asked for.', () =>
      byLabel('outcome', metrics.leaves),
    );
  }

  #addPolicy(metrics: Metrics): void {
    this.#add('policy_generation', 'gauge', 'The generation in force.', () => one(metrics.generation));
    this.#add('policy_reload_total', 'counter', 'Reloads.', () => byLabel('outcome', metrics.reloads));
    this.#add('policy_reload_duration_seconds', 'histogram', 'Duration of reloads.', () =>
      histogramSamples('policy_reload_duration_seconds', metrics.reloadDuration, {}),
    );
    this.#add('policy_last_success_timestamp_seconds', 'gauge', 'When a reload last went well.', () =>
      one(metrics.lastSuccessSeconds),
    );
    this.#add('secret_age_seconds', 'gauge', 'Since the value was first seen.', () =>
      [...metrics.sources.secretAges()].map(([secret, value]) => ({ labels: { secret }, value })),
    );
    this.#add('secret_refresh_total', 'counter', 'Readings of secrets.', () =>
      [...metrics.secretRefreshes].flatMap(([secret, counts]) => byLabel('outcome', counts, { secret })),
    );
    this.#add('ca_expiry_timestamp_seconds', 'gauge', 'When the CA expires.', () => {
      const seconds = metrics.sources.caExpirySeconds();
      return seconds === null ? [] : one(seconds);
    });
  }

  #addProcess(metrics: Metrics): void {
    this.#add('audit_dropped_total', 'counter', 'Audit lines that could not be written.', () =>
      one(metrics.sources.auditDropped()),
    );
    this.#add('event_loop_lag_seconds', 'gauge', 'Longest delay of a timer since the last scrape.', () =>
      one(this.#lag.take()),
    );
    this.#add('build_info', 'gauge', 'Version of Postern and of Node.', () => [
      { labels: { version: metrics.sources.version, node: process.version }, value: 1 },
    ]);
  }

  #add(name: string, type: Type, help: string, samples: Samples): void {
    const fullName = `postern_${name}`;
    const get = async () => ({ name: fullName, help, type, aggregator: 'sum', values: [...samples()] });
    // prom-client asks a registered metric for nothing but its name and `get()`; its type wants a whole Counter.
    this.#registry.registerMetric({ name: fullName, type, get } as unknown as Metric);
  }
}

const one = (value: number): Sample[] => [{ labels: {}, value }];

const byLabel = (label: string, counts: Readonly<Record<string, number>>, labels: Labels = {}): Sample[] =>
  Object.entries(counts).map(([name, value]) => ({ labels: { ...labels, [label]: name }, value }));

const labelsOf = (series: RuleSeries): Labels => ({ sandbox: series.sandbox, rule: series.rule });

const requestSamples = (series: RuleSeries): Sample[] =>
  series.requests.map(({ decision, code, protocol, count }) => ({
    labels: { ...labelsOf(series), decision, code: code ?? '', protocol },
    value: count,
  }));

const injectionSamples = (series: RuleSeries): Sample[] =>
  [...series.injectedBySecret].map(([secret, value]) => ({ labels: { ...labelsOf(series), secret }, value }));

const limitSamples = (series: RuleSeries): Sample[] =>
  [...series.limitedByName].map(([limit, value]) => ({ labels: { ...labelsOf(series), limit }, value }));

function histogramSamples(name: string, histogram: Histogram, labels: Labels): Sample[] {
  const metricName = `postern_${name}`;
  let count = 0;
  const buckets = histogram.counts.map((each, at) => {
    count += each;
    return {
      metricName: `${metricName}_bucket`,
      labels: { ...labels, le: histogram.bounds[at] ?? '+Inf' },
      value: count,
    };
  });
  return [
    ...buckets,
    { metricName: `${metricName}_sum`, labels, value: histogram.sum },
    { metricName: `${metricName}_count`, labels, value: count },
  ];
}
