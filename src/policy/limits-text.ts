import type { LimitsSpec, RateSpec } from './model.ts';

/** The limits that a rule can have, by their keys: in messages, metrics and RateLimit fields. */
export type LimitName = 'requests' | 'bytes_out' | 'concurrency' | 'body';

const WINDOWS: Readonly<Record<number, string>> = { 1000: 's', 60000: 'min', 3600000: 'h', 86400000: 'day' };

const SIZES: readonly (readonly [string, number])[] = [
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
];

/** Bytes as an author would write them: in the largest unit that they are whole in. */
export function sizeText(bytes: number): string {
  const [unit, size] = SIZES.find(([, each]) => bytes > 0 && bytes % each === 0) ?? ['B', 1];
  return `${bytes / size}${unit}`;
}

const rateText = ({ amount, windowMs }: RateSpec, amountText: (amount: number) => string): string =>
  `${amountText(amount)}/${WINDOWS[windowMs] ?? `${windowMs}ms`}`;

/** One limit as an author would write it; null if the rule does not have it. */
export function limitText(limits: LimitsSpec | null, name: LimitName): string | null {
  if (limits === null) return null;
  const { requests, bytesOut, concurrency, bodyBytesMax } = limits;
  switch (name) {
    case 'requests':
      return requests === null ? null : rateText(requests, String);
    case 'bytes_out':
      return bytesOut === null ? null : rateText(bytesOut, sizeText);
    case 'concurrency':
      return concurrency === null ? null : String(concurrency);
    case 'body':
      return bodyBytesMax === null ? null : sizeText(bodyBytesMax);
  }
}

export const LIMIT_NAMES: readonly LimitName[] = ['requests', 'bytes_out', 'concurrency', 'body'];

/** `requests 600/min` and so on, each limit that the rule has. */
export const limitTexts = (limits: LimitsSpec | null): readonly string[] =>
  LIMIT_NAMES.flatMap((name) => {
    const text = limitText(limits, name);
    return text === null ? [] : [`${name} ${text}`];
  });
