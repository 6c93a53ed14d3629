import type { Run } from '../run.ts';
import type { Row } from './verdicts.ts';

/** The report of a run, for people. */
export function reportText(run: Run, rows: readonly Row[], faults: readonly string[]): string {
  const { tally, audit, log, busy, cpu } = run;
  const peak = (pick: (sample: (typeof busy)[number]) => number) => Math.max(0, ...busy.map(pick));
  const underLoad = [
    `RSS up to ${(peak(({ rss }) => rss) / 1_048_576).toFixed(0)} MiB`,
    `up to ${peak(({ clients }) => clients)} client and ${peak(({ upstreams }) => upstreams)} upstream connections`,
    `event-loop lag up to ${(peak(({ lagSeconds }) => lagSeconds) * 1000).toFixed(0)} ms`,
    `CPU ${(mean(cpu) * 100).toFixed(0)} % of a core`,
  ];
  const parts = [
    table(rows),
    `under load: ${underLoad.join('; ')}`,
    `done: ${counts(tally.done)}`,
    `audit lines by code: ${counts(audit.linesByCode)}`,
    `log lines: ${counts(log.countByReason)}`,
    ...section('came out wrong', tally.failures),
    ...section('unexplained in the log', log.unexplained),
    ...section('audit lines with a code that no kind expects', audit.strange),
    faults.length === 0 && rows.every(({ isGood }) => isGood)
      ? 'passed'
      : `FAILED: ${[...faults, ...rows.filter(({ isGood }) => !isGood).map(({ name }) => `${name} is not flat`)].join('; ')}`,
  ];
  return `${parts.join('\n\n')}\n`;
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(({ name, first, last, slope, bound, isGood }) => [
    name,
    first,
    last,
    slope,
    bound,
    isGood ? 'good' : 'BAD',
  ]);
  const all = [['in quiet states', 'first', 'last', 'slope', 'bound', ''], ...lines];
  const widths = (all[0] ?? []).map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0)));
  return all.map((line) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')).join('\n');
}

const counts = (byName: ReadonlyMap<string, number>): string =>
  [...byName]
    .toSorted((a, b) => b[1] - a[1])
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');

const SHOWN_MAX = 60;

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [[`${title} (${lines.length}):`, ...lines.slice(0, SHOWN_MAX)].join('\n  ')];

const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
