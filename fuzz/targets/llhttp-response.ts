import { DICTIONARY } from '../../test/differential/dictionary.ts';
import { responseCase } from '../../test/differential/message.ts';
import { RESPONSES } from '../../test/differential/response-cases.ts';
import { checkAgainstLlhttp } from '../checks/llhttp.ts';
import type { Target } from '../target.ts';

/** Whole responses, to GET and to HEAD, beside Node's own parser. */
export const target: Target = {
  name: 'llhttp-response',
  seeds: RESPONSES.map(({ bytes }) => Buffer.from(bytes, 'latin1')),
  dictionary: [...DICTIONARY, ' 204 ', ' 304 ', ' 100 ', '200'],
  bytesMax: 2_000,
  check(input) {
    const method = (input.at(-1) ?? 0) % 8 === 0 ? 'HEAD' : 'GET';
    checkAgainstLlhttp(responseCase('fuzzed', input.toString('latin1'), method));
  },
};
