import type { Target } from '../../../fuzz/target.ts';

/** Ends its thread, as a crash in native code or a lack of memory would. */
export const target: Target = {
  name: 'ending',
  seeds: ['fine'],
  dictionary: ['!'],
  bytesMax: 16,
  check(input) {
    if (input.includes(0x21)) process.exit(3);
  },
};
