import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AuditCount } from '../../../soak/measure/audit.ts';
import { explanationOf, LogJudge } from '../../../soak/measure/log.ts';
import type { Sample } from '../../../soak/measure/sample.ts';
import { sum } from '../../../soak/measure/sample.ts';
import { slopeOf } from '../../../soak/measure/slope.ts';
import { faultsOf, rowsOf } from '../../../soak/report/verdicts.ts';
import type { Run } from '../../../soak/run.ts';
import { Tally } from '../../../soak/tally.ts';
import { closeAfterTest, closeOpened } from '../../support/closing.ts';

closeOpened();

const MIB = 1_048_576;

const sample = (parts: Partial<Sample> = {}): Sample => ({
  seconds: 0,
  rss: 100 * MIB,
  pssAnon: 60 * MIB,
  heap: 20 * MIB,
  external: 5 * MIB,
  sockets: 3,
  files: 23,
  handles: 4,
  requests: 0,
  timers: 0,
  resources: 4,
  threads: 11,
  clients: 0,
  upstreams: 0,
  tunnels: 0,
  lagSeconds: 0,
  cpuSeconds: 0,
  concluded: 0,
  internal: 0,
  auditDropped: 0,
  ...parts,
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'postern-test-'));
  return closeAfterTest(path, () => rmSync(path, { recursive: true, force: true }));
}

const runWith = (quiet: Sample[]): Run => ({
  tally: new Tally(),
  audit: new AuditCount('/nowhere', new Set()),
  log: new LogJudge(),
  quiet,
  busy: [],
  cpu: [],
});

/** A sample before the traffic, and one a minute after it. */
const minutes = (count: number, at: (minute: number) => Partial<Sample>): Sample[] =>
  Array.from({ length: count + 1 }, (_, minute) => sample({ seconds: minute * 60, ...at(minute) }));

const badRows = (quiet: Sample[]): string[] =>
  rowsOf(runWith(quiet))
    .filter(({ isGood }) => !isGood)
    .map(({ name }) => name);

describe('the verdict of a soak', () => {
  it('is good where nothing grows', () => {
    expect(badRows(minutes(20, () => ({})))).toEqual([]);
    expect(faultsOf(runWith(minutes(20, () => ({}))), 0)).toEqual([]);
  });

  it('finds one descriptor that stays open in one quiet state', () => {
    expect(badRows(minutes(4, (minute) => (minute === 3 ? { sockets: 4 } : {})))).toEqual(['sockets']);
  });

  it('finds connections that are never closed, also where there are the same number of them in each quiet state', () => {
    expect(badRows(minutes(4, () => ({ upstreams: 2 })))).toEqual(['upstreams']);
  });

  it('finds a heap that grows by half a MiB a minute, under noise of three MiB', () => {
    const noise = [0, 3, 1, 2, 0, 1, 3, 2];
    const heap = (perMinute: number) => (minute: number) => ({
      heap: (20 + perMinute * minute + (noise[minute % noise.length] ?? 0)) * MIB,
    });
    expect(badRows(minutes(30, heap(0)))).toEqual([]);
    expect(badRows(minutes(30, heap(0.5)))).toEqual(['V8 heap used']);
  });

  it('does not judge the slope of a few minutes, but finds what has grown at once', () => {
    expect(badRows(minutes(5, (minute) => ({ heap: (20 + minute) * MIB })))).toEqual([]);
    expect(badRows(minutes(5, (minute) => ({ heap: (20 + 30 * minute) * MIB })))).toEqual(['V8 heap used']);
  });

  it('names each fault', () => {
    const run = runWith(minutes(2, () => ({ internal: 1, auditDropped: 2, concluded: 7 })));
    run.tally.failed('get', new Error('another body'), 1);
    run.log.line('(node:1) MaxListenersExceededWarning: Possible EventEmitter memory leak detected.');
    expect(faultsOf(run, 1)).toEqual([
      '1 attempts came out wrong',
      '1 lines of the log are unexplained',
      '1 times INTERNAL',
      '2 audit lines were dropped',
      'Postern ended with 1',
      '7 requests were counted, 0 have an audit line',
    ]);
  });
});

describe('the slope', () => {
  it('is per hour, with its error', () => {
    expect(slopeOf([0, 1, 2, 3].map((hour) => [hour * 3600, 10 + 2 * hour]))).toMatchObject({
      perHour: 2,
      errorPerHour: 0,
      hours: 3,
    });
    expect(slopeOf([[0, 1]]).perHour).toBeNaN();
  });
});

describe('what is read of the proxy', () => {
  it('adds up the series of a metric that have a label', () => {
    const text = 'a_total{code="X",rule="r"} 2\na_total{code="Y"} 3\na_total_more 9\nb 1e3\n# a_total 5\n';
    expect([sum(text, 'a_total'), sum(text, 'a_total', 'code="X"'), sum(text, 'b'), sum(text, 'none')]).toEqual([
      5, 2, 1000, 0,
    ]);
  });

  it('explains a line of the log by its level and its whole message', () => {
    const line = (level: number, msg: string) => explanationOf(JSON.stringify({ level, msg }));
    expect(line(30, 'listening')).toBe('the start');
    expect(line(50, 'listening')).toBe(null);
    expect(line(30, 'listening to everything')).toBe(null);
    expect(explanationOf('TypeError: x is not a function')).toBe(null);
  });

  it('counts audit lines once, over rotations, and keeps what no kind expects', () => {
    const path = folder();
    const audit = new AuditCount(path, new Set(['HOST_DENIED']));
    const write = (name: string, ...codes: readonly (string | null)[]) =>
      writeFileSync(join(path, name), codes.map((code) => `${JSON.stringify({ code })}\n`).join(''), { flag: 'a' });
    const rotate = (number: number) => renameSync(join(path, 'audit.jsonl'), join(path, `audit.jsonl.${number}`));
    write('audit.jsonl', null, 'HOST_DENIED');
    audit.collect();
    write('audit.jsonl', null);
    rotate(9);
    write('audit.jsonl', 'INTERNAL');
    rotate(10);
    write('audit.jsonl', null);
    audit.collect();
    expect(Object.fromEntries(audit.linesByCode)).toEqual({ none: 3, HOST_DENIED: 1, INTERNAL: 1 });
    expect(audit.strange).toEqual(['{"code":"INTERNAL"}']);
    writeFileSync(join(path, 'audit.jsonl'), 'half a li', { flag: 'a' });
    audit.collect();
    expect(audit.strange).toContain('half a li');
  });
});
