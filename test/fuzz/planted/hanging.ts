import type { Target } from '../../../fuzz/target.ts';

/** Never comes back from an input that holds an exclamation mark. */
export const target: Target = {
  name: 'hanging',
  seeds: ['fine'],
  dictionary: ['!'],
  bytesMax: 16,
  check(input) {
    while (input.includes(0x21));
  },
};
