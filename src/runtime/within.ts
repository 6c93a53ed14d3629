import { quote, type Site } from '../policy/finding.ts';
import { parseDuration, parseSize } from '../policy/reading/units.ts';

/** A number of postern.yaml: how it is written, its bounds, and what holds if the file does not say. */
export interface Bounds {
  readonly unit: 'count' | 'size' | 'duration';
  readonly min: number;
  readonly max: number;
  readonly initial: number;
}

/** Reads a count, a size (as bytes) or a duration (as ms) within its bounds; the initial value if it is absent or wrong. */
export function readWithin(raw: number | string | undefined, bounds: Bounds, site: Site): number {
  if (raw === undefined) return bounds.initial;
  const value = readNumber(raw, bounds.unit, site);
  if (value === null) return bounds.initial;
  if (value >= bounds.min && value <= bounds.max) return value;
  site.report.error(
    site.path,
    `is out of bounds; write something from ${show(bounds.min, bounds.unit)} to ${show(bounds.max, bounds.unit)}`,
  );
  return bounds.initial;
}

function readNumber(raw: number | string, unit: Bounds['unit'], site: Site): number | null {
  if (typeof raw === 'number') return raw;
  const reading = unit === 'size' ? parseSize(raw) : parseDuration(raw);
  if (reading.ok) return reading.value;
  site.report.error(site.path, `${quote(raw)} ${reading.why}`);
  return null;
}

const STEPS: Readonly<Record<'size' | 'duration', readonly (readonly [string, number])[]>> = {
  size: [
    ['MiB', 1024 ** 2],
    ['KiB', 1024],
    ['B', 1],
  ],
  duration: [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
    ['ms', 1],
  ],
};

/** A bound as an author would write it: in the largest unit that it is whole in. */
function show(value: number, unit: Bounds['unit']): string {
  if (unit === 'count') return String(value);
  const [name, size] = STEPS[unit].find(([, each]) => value % each === 0) ?? ['', 1];
  return `${value / size}${name}`;
}
