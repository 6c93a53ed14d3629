import { holds, type Target } from '../../../fuzz/target.ts';

/** A mistake that nobody hits by chance: one byte after another has to be right, and only coverage tells that the first ones are. */
export const target: Target = {
  name: 'nested',
  seeds: ['........'],
  dictionary: [],
  bytesMax: 16,
  batchInputs: 400,
  check(input) {
    if (input[0] !== 0x42) return;
    if (input[1] !== 0x55) return;
    if (input[2] !== 0x47) return;
    if (input[3] !== 0x21) return;
    holds('nobody says BUG!', input.length < 4);
  },
};
