/** How a figure changes, by least squares, and how far that can be trusted. */
export interface Slope {
  readonly perHour: number;
  /** Standard error; NaN where there are fewer than three points. */
  readonly errorPerHour: number;
  readonly points: number;
  readonly hours: number;
}

/** The slope of values over seconds. */
export function slopeOf(points: readonly (readonly [seconds: number, value: number])[]): Slope {
  const count = points.length;
  const hours = points.map(([seconds]) => seconds / 3600);
  const span = count > 1 ? (hours.at(-1) ?? 0) - (hours[0] ?? 0) : 0;
  if (count < 2) return { perHour: Number.NaN, errorPerHour: Number.NaN, points: count, hours: span };
  const meanX = hours.reduce((sum, x) => sum + x, 0) / count;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count;
  let [xx, xy] = [0, 0];
  for (const [seconds, y] of points) {
    xx += (seconds / 3600 - meanX) ** 2;
    xy += (seconds / 3600 - meanX) * (y - meanY);
  }
  const perHour = xy / xx;
  const residuals = points.reduce(
    (sum, [seconds, y]) => sum + (y - meanY - perHour * (seconds / 3600 - meanX)) ** 2,
    0,
  );
  const errorPerHour = count > 2 ? Math.sqrt(residuals / (count - 2) / xx) : Number.NaN;
  return { perHour, errorPerHour, points: count, hours: span };
}
