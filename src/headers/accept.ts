import type { FieldList } from './field-list.ts';

/**
 * Whether who sent `Accept` (RFC 9110 section 12.5.1) would rather have JSON than text. Of two that it likes equally the one that it
 * names first counts; who does not say, or takes anything, gets text.
 */
export function prefersJson(fields: FieldList): boolean {
  const ranges = fields
    .filter(({ lower }) => lower === 'accept')
    .flatMap(({ value }) => value.split(','))
    .map(rangeOf)
    .filter(({ weight }) => weight > 0)
    .toSorted((one, other) => other.weight - one.weight);
  const first = ranges.find(({ type }) => type === 'application/json' || TEXT.has(type));
  return first?.type === 'application/json';
}

const TEXT: ReadonlySet<string> = new Set(['text/plain', 'text/*', '*/*']);

/** RFC 9110 section 12.4.2: the weight is from 0 to 1, and 1 where there is none. One that cannot be read is 0. */
function rangeOf(text: string): { readonly type: string; readonly weight: number } {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
  return { type, weight: weight === undefined ? 1 : /^[01](\.\d{0,3})?$/.test(weight) ? Number(weight) : 0 };
}
