export type UnitReading = { readonly ok: true; readonly value: number } | { readonly ok: false; readonly why: string };

const MS_BY_UNIT: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);
const BYTES_BY_UNIT: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['KiB', 1024],
  ['MiB', 1024 ** 2],
  ['GiB', 1024 ** 3],
]);

/** `setTimeout` fires at once beyond 2^31 - 1 ms, so a longer limit would be none. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Reads `250ms`, `30s`, `10m`, `24h`, `2d` as milliseconds: a whole number and one unit, as long as a timer can be. */
export function parseDuration(text: string): UnitReading {
  const reading = parseWithUnit(text, MS_BY_UNIT);
  if (reading === null)
    return { ok: false, why: 'is not a duration; write a whole number and a unit (ms, s, m, h, d), e.g. 30s' };
  if (reading < 1) return { ok: false, why: 'is no time at all; write at least 1ms' };
  if (reading > TIMER_MS_MAX) return { ok: false, why: 'is longer than the 24 days that a timer can run' };
  return { ok: true, value: reading };
}

/** Reads `512B`, `64KiB`, `100MiB`, `1GiB` as bytes. */
export function parseSize(text: string): UnitReading {
  const reading = parseWithUnit(text, BYTES_BY_UNIT);
  if (reading !== null && Number.isSafeInteger(reading)) return { ok: true, value: reading };
  return { ok: false, why: 'is not a size; write a whole number and a unit (B, KiB, MiB, GiB), e.g. 64KiB' };
}

const WINDOW_MS_BY_UNIT: ReadonlyMap<string, number> = new Map([
  ['s', 1_000],
  ['min', 60_000],
  ['h', 3_600_000],
  ['day', 86_400_000],
]);

export type RateReading =
  | { readonly ok: true; readonly amount: number; readonly windowMs: number }
  | { readonly ok: false; readonly why: string };

/** Reads `600/min`: a whole number in a second, minute, hour or day. */
export const parseCountRate = (text: string): RateReading =>
  parseRate(
    text,
    (amount) => (/^(?:0|[1-9][0-9]{0,9})$/.test(amount) ? Number(amount) : null),
    'a whole number',
    '600/min',
  );

/** Reads `1GiB/day`: a size in a second, minute, hour or day; the amount is bytes. */
export const parseSizeRate = (text: string): RateReading =>
  parseRate(text, (amount) => parseWithUnit(amount, BYTES_BY_UNIT), 'a size (B, KiB, MiB, GiB)', '1GiB/day');

function parseRate(
  text: string,
  amountOf: (text: string) => number | null,
  what: string,
  example: string,
): RateReading {
  const [before = '', unit = '', ...more] = text.split('/');
  const amount = amountOf(before);
  const windowMs = WINDOW_MS_BY_UNIT.get(unit);
  if (amount !== null && windowMs !== undefined && more.length === 0) return { ok: true, amount, windowMs };
  return { ok: false, why: `is not a rate; write ${what}, "/" and s, min, h or day, e.g. ${example}` };
}

function parseWithUnit(text: string, byUnit: ReadonlyMap<string, number>): number | null {
  const match = /^(0|[1-9][0-9]{0,9})([A-Za-z]+)$/.exec(text);
  const unit = byUnit.get(match?.[2] ?? '');
  return unit === undefined ? null : Number(match?.[1]) * unit;
}
