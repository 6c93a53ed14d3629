import { holds, type Target } from '../../../fuzz/target.ts';

/** Nothing is wrong with it. */
export const target: Target = {
  name: 'sound',
  seeds: ['a'],
  dictionary: ['b'],
  bytesMax: 16,
  check: (input) => holds('inputs stay within their limit', input.length <= 16),
};
