import { EXACT } from '../measure/quiet.ts';
import type { Sample } from '../measure/sample.ts';
import { type Slope, slopeOf } from '../measure/slope.ts';
import type { Run } from '../run.ts';

const MIB = 1_048_576;
/** Below this the slopes are those of a process that warms up: they are told, not judged. */
const JUDGED_HOURS_MIN = 10 / 60;

export interface Row {
  readonly name: string;
  readonly first: string;
  readonly last: string;
  readonly slope: string;
  readonly bound: string;
  readonly isGood: boolean;
}

interface Growth {
  readonly key: 'rss' | 'pssAnon' | 'heap' | 'external';
  readonly name: string;
  /** MiB per hour, for the lower end of what the slope may be; MiB from the first to the last, where the run is too short for a slope. */
  readonly perHourMax: number;
  readonly growthMax: number;
}

const growths: readonly Growth[] = [
  { key: 'rss', name: 'RSS', perHourMax: 40, growthMax: 120 },
  { key: 'pssAnon', name: 'anonymous memory', perHourMax: 40, growthMax: 120 },
  { key: 'heap', name: 'V8 heap used', perHourMax: 12, growthMax: 50 },
  { key: 'external', name: 'external memory', perHourMax: 12, growthMax: 40 },
];

/** The quiet samples that count: the first cycles pay for what grows once (code, caches, the scrape's own library). */
export function judged(quiet: readonly Sample[]): readonly Sample[] {
  const cycles = quiet.slice(1);
  return cycles.slice(Math.min(3, Math.floor(cycles.length / 3)));
}

export function rowsOf(run: Run): readonly Row[] {
  const samples = judged(run.quiet);
  return [...growths.map((growth) => growthRow(growth, samples)), ...EXACT.map((key) => exactRow(key, run.quiet))];
}

function growthRow({ key, name, perHourMax, growthMax }: Growth, samples: readonly Sample[]): Row {
  const slope = slopeOf(samples.map((sample) => [sample.seconds, sample[key] / MIB]));
  const [first, last] = [samples[0]?.[key] ?? Number.NaN, samples.at(-1)?.[key] ?? Number.NaN];
  const isLong = slope.hours >= JUDGED_HOURS_MIN && slope.points > 4;
  // Nothing forces a collection, so two samples differ by chance: over a long run only their trend says something.
  const isFlat = isLong ? slope.perHour - 2 * slope.errorPerHour <= perHourMax : (last - first) / MIB <= growthMax;
  return {
    name,
    first: `${(first / MIB).toFixed(1)} MiB`,
    last: `${(last / MIB).toFixed(1)} MiB`,
    slope: slopeText(slope),
    bound: isLong ? `≤ ${perHourMax} MiB/h` : `grown ≤ ${growthMax} MiB`,
    isGood: isFlat,
  };
}

const slopeText = ({ perHour, errorPerHour }: Slope): string => {
  const error = Number.isNaN(errorPerHour) ? '' : ` ± ${errorPerHour.toFixed(1)}`;
  return Number.isNaN(perHour) ? '-' : `${perHour.toFixed(1)}${error} MiB/h`;
};

function exactRow(key: (typeof EXACT)[number], quiet: readonly Sample[]): Row {
  const values = quiet.map((sample) => sample[key]);
  const wanted = values[0] ?? Number.NaN;
  const isNothing = key === 'clients' || key === 'upstreams' || key === 'tunnels';
  const others = new Set(values.filter((value) => value !== wanted));
  return {
    name: key,
    first: String(wanted),
    last: String(values.at(-1)),
    slope: others.size === 0 ? '0' : `also ${[...others].join(' ')}`,
    bound: isNothing ? '0' : 'the same',
    isGood: others.size === 0 && values.length > 1 && (!isNothing || wanted === 0),
  };
}

/** What fails a run besides the table, in words. */
export function faultsOf(run: Run, exitStatus: number | null): readonly string[] {
  const { tally, audit, log, quiet } = run;
  const last = quiet.at(-1);
  const faults = [
    ...(tally.failures.length > 0 ? [`${tally.failures.length} attempts came out wrong`] : []),
    ...(log.unexplained.length > 0 ? [`${log.unexplained.length} lines of the log are unexplained`] : []),
    ...(audit.strange.length > 0 ? [`${audit.strange.length} audit lines have a code that no kind expects`] : []),
    ...((last?.internal ?? 0) > 0 ? [`${last?.internal} times INTERNAL`] : []),
    ...((last?.auditDropped ?? 0) > 0 ? [`${last?.auditDropped} audit lines were dropped`] : []),
    ...(exitStatus === 0 ? [] : [`Postern ended with ${exitStatus}`]),
  ];
  const concluded = last?.concluded ?? 0;
  if (concluded !== audit.total) faults.push(`${concluded} requests were counted, ${audit.total} have an audit line`);
  return faults;
}
