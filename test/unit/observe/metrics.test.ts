import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Exposition } from '../../../src/observe/exposition.ts';
import { LineSink } from '../../../src/observe/line-sink.ts';
import { Metrics } from '../../../src/observe/metrics.ts';
import { Recorder } from '../../../src/observe/observer.ts';
import type { ExchangeRecord } from '../../../src/observe/record.ts';
import { GONE_AFTER_MS, SERIES_MAX } from '../../../src/observe/rule-series.ts';
import { exchangeRecord } from '../../support/record.ts';
import { allowing, started } from '../../support/runtime.ts';

const SOURCES = {
  version: '1.2.3',
  auditDropped: () => 4,
  caExpirySeconds: () => 1_900_000_000,
  quarantined: () => [],
  secretAges: () => [['github', 12.5]] as const,
};

/** Counts and their text as Prometheus would scrape it. */
function scraped(): { readonly metrics: Metrics; text(): Promise<string> } {
  const metrics = new Metrics(SOURCES);
  const exposition = new Exposition(metrics);
  onTestFinished(() => exposition.close());
  return { metrics, text: () => exposition.text() };
}

/** The lines of our own metrics, without comments. */
const linesOf = (text: string): string[] => text.split('\n').filter((line) => line.startsWith('postern_'));

const conclude = (metrics: Metrics, parts: Partial<ExchangeRecord> = {}, durationMs = 30): void =>
  metrics.concluded(exchangeRecord(parts), durationMs);

describe('metrics', () => {
  it('has every metric of the contract, by name and type', async () => {
    const { text } = scraped();
    const types = [...(await text()).matchAll(/^# TYPE (postern_\w+) (\w+)$/gm)].map(
      ([, name, type]) => `${name} ${type}`,
    );
    expect(types.sort()).toEqual([
      'postern_audit_dropped_total counter',
      'postern_build_info gauge',
      'postern_bytes_total counter',
      'postern_ca_expiry_timestamp_seconds gauge',
      'postern_connections gauge',
      'postern_event_loop_lag_seconds gauge',
      'postern_injections_total counter',
      'postern_leaf_certificates_total counter',
      'postern_limited_total counter',
      'postern_overhead_seconds histogram',
      'postern_policy_generation gauge',
      'postern_policy_last_success_timestamp_seconds gauge',
      'postern_policy_reload_duration_seconds histogram',
      'postern_policy_reload_total counter',
      'postern_quarantined gauge',
      'postern_request_duration_seconds histogram',
      'postern_requests_total counter',
      'postern_scrubbed_total counter',
      'postern_secret_age_seconds gauge',
      'postern_secret_refresh_total counter',
      'postern_tunnels gauge',
      'postern_upstream_duration_seconds histogram',
    ]);
    expect(await text()).toContain('process_resident_memory_bytes');
  });

  it('counts an exchange everywhere it belongs', async () => {
    const { metrics, text } = scraped();
    conclude(metrics, {
      injected: ['github', 'openai'],
      scrubbed: 2,
      bytesIn: 10,
      bytesOut: 3,
      overheadMs: 0.06,
      upstreamMs: 40,
    });
    conclude(metrics, { injected: ['github'], bytesIn: 5, overheadMs: 200, upstreamMs: null }, 700_000);
    const lines = linesOf(await text());
    expect(lines).toEqual(
      expect.arrayContaining([
        'postern_requests_total{sandbox="default",rule="github-read",decision="allow",code="",protocol="h1"} 2',
        'postern_injections_total{sandbox="default",rule="github-read",secret="github"} 2',
        'postern_injections_total{sandbox="default",rule="github-read",secret="openai"} 1',
        'postern_scrubbed_total{sandbox="default",rule="github-read"} 2',
        'postern_bytes_total{direction="in"} 15',
        'postern_bytes_total{direction="out"} 3',
        'postern_request_duration_seconds_bucket{sandbox="default",rule="github-read",le="0.025"} 0',
        'postern_request_duration_seconds_bucket{sandbox="default",rule="github-read",le="0.05"} 1',
        'postern_request_duration_seconds_bucket{sandbox="default",rule="github-read",le="600"} 1',
        'postern_request_duration_seconds_bucket{sandbox="default",rule="github-read",le="+Inf"} 2',
        'postern_request_duration_seconds_sum{sandbox="default",rule="github-read"} 700.03',
        'postern_request_duration_seconds_count{sandbox="default",rule="github-read"} 2',
        'postern_overhead_seconds_bucket{le="0.00005"} 0',
        'postern_overhead_seconds_bucket{le="0.0001"} 1',
        'postern_overhead_seconds_bucket{le="0.1"} 1',
        'postern_overhead_seconds_bucket{le="+Inf"} 2',
        'postern_upstream_duration_seconds_count 1',
        'postern_audit_dropped_total 4',
        'postern_ca_expiry_timestamp_seconds 1900000000',
        'postern_secret_age_seconds{secret="github"} 12.5',
        `postern_build_info{version="1.2.3",node="${process.version}"} 1`,
      ]),
    );
  });

  it('tells decisions, codes, protocols, rules and sandboxes apart, and never shows a host', async () => {
    const { metrics, text } = scraped();
    conclude(metrics, { decision: 'deny', code: 'HOST_DENIED', rule: null, host: 'evil.example' });
    conclude(metrics, { decision: 'deny', code: 'PATH_DENIED', rule: 'github-read' });
    conclude(metrics, { protocol: 'tunnel', rule: null });
    conclude(metrics, { sandbox: null, rule: null, decision: 'deny', code: 'TOKEN_REQUIRED' });
    const all = await text();
    expect(
      linesOf(all)
        .filter((line) => line.startsWith('postern_requests_total'))
        .sort(),
    ).toEqual([
      'postern_requests_total{sandbox="",rule="",decision="deny",code="TOKEN_REQUIRED",protocol="h1"} 1',
      'postern_requests_total{sandbox="default",rule="",decision="allow",code="",protocol="tunnel"} 1',
      'postern_requests_total{sandbox="default",rule="",decision="deny",code="HOST_DENIED",protocol="h1"} 1',
      'postern_requests_total{sandbox="default",rule="github-read",decision="deny",code="PATH_DENIED",protocol="h1"} 1',
    ]);
    expect(all).not.toContain('evil.example');
  });

  it('counts what met a limit of its rule, by limit', async () => {
    const { metrics, text } = scraped();
    conclude(metrics, { limited: 'requests' });
    conclude(metrics, { limited: 'requests' });
    conclude(metrics, { limited: 'body' });
    conclude(metrics, { rule: 'other-rule' });
    expect(linesOf(await text()).filter((line) => line.startsWith('postern_limited_total'))).toEqual([
      'postern_limited_total{sandbox="default",rule="github-read",limit="requests"} 2',
      'postern_limited_total{sandbox="default",rule="github-read",limit="body"} 1',
    ]);
  });

  it('writes what a policy calls a rule so that one label stays one label', async () => {
    const { metrics, text } = scraped();
    conclude(metrics, { rule: 'a"} 1\nfake{x="\\' });
    expect(await text()).toContain('rule="a\\"} 1\\nfake{x=\\"\\\\"');
  });

  it(`keeps to ${SERIES_MAX} series: later rules are counted as "other"`, async () => {
    const { metrics, text } = scraped();
    for (let rule = 0; rule < 2_000; rule++)
      conclude(metrics, { rule: `rule-${rule}`, injected: [`secret-${rule}`], limited: 'body' });
    conclude(metrics, { rule: 'rule-0' });
    const lines = linesOf(await text());
    const ofRules = lines.filter((line) => line.includes('sandbox="default"'));
    expect(ofRules.length).toBeLessThanOrEqual(SERIES_MAX);
    expect(ofRules.length).toBeGreaterThan(SERIES_MAX / 2);
    const counts = lines
      .filter((line) => line.startsWith('postern_requests_total'))
      .map((line) => Number(line.split(' ').pop()));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(2_001);
    expect(lines.find((line) => line.startsWith('postern_requests_total{sandbox="other"'))).toContain('rule="other"');
    expect(lines.find((line) => line.startsWith('postern_requests_total') && line.includes('rule="rule-0"'))).toContain(
      ' 2',
    );
  });

  it('drops the series of rules and sandboxes that no generation holds, after five minutes', async () => {
    const { runtime, metrics, write } = await started({ 'policies/p.yaml': allowing('kept.example.com') });
    for (const rule of ['kept.example.com', 'gone', null]) conclude(metrics, { rule });
    conclude(metrics, { sandbox: 'gone', rule: null });
    conclude(metrics, { sandbox: null, rule: null });
    const held = (): string[] => metrics.rules.values().map(({ sandbox, rule }) => `${sandbox}/${rule}`);
    const now = vi.spyOn(performance, 'now');
    onTestFinished(() => now.mockRestore());
    const startedMs = performance.now();
    expect(held()).toHaveLength(5);
    now.mockReturnValue(startedMs + GONE_AFTER_MS - 5_000);
    expect(held()).toHaveLength(5);
    now.mockReturnValue(startedMs + GONE_AFTER_MS + 5_000);
    expect(held().sort()).toEqual(['/', 'default/', 'default/kept.example.com']);
    now.mockRestore();
    write('policies/p.yaml', allowing('other.example.com'));
    await runtime.reload('test');
    const later = vi.spyOn(performance, 'now');
    onTestFinished(() => later.mockRestore());
    held();
    later.mockReturnValue(performance.now() + GONE_AFTER_MS + 60_000);
    expect(held().sort()).toEqual(['/', 'default/']);
  });

  it('costs less than a microsecond an exchange', () => {
    const metrics = new Metrics(SOURCES);
    const record = exchangeRecord({ injected: ['github'] });
    const run = (count: number): number => {
      const startedMs = performance.now();
      for (let at = 0; at < count; at++) metrics.concluded(record, 1.5);
      return ((performance.now() - startedMs) * 1_000) / count;
    };
    run(100_000);
    const microseconds = Math.min(run(100_000), run(100_000), run(100_000));
    console.log(`metrics: ${microseconds.toFixed(3)} µs an exchange`);
    expect(microseconds).toBeLessThan(1);
  });
});

describe('the recorder', () => {
  it('writes a line and counts for each conclusion, and accepts while it need not write or can', async () => {
    const metrics = new Metrics(SOURCES);
    const sink = new LineSink({ target: '/dev/full' });
    onTestFinished(() => sink.close(100));
    const recorder = new Recorder(sink, metrics);
    recorder.concluded(exchangeRecord());
    expect(metrics.rules.values()).toHaveLength(1);
    await expect.poll(() => sink.healthy).toBe(false);
    expect(recorder.accepting).toBe(true);
    recorder.auditRequired = true;
    expect(recorder.accepting).toBe(false);
  });
});
