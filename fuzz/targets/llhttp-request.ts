import { DICTIONARY } from '../../test/differential/dictionary.ts';
import { requestCase } from '../../test/differential/message.ts';
import { REQUESTS } from '../../test/differential/request-cases.ts';
import { checkAgainstLlhttp } from '../checks/llhttp.ts';
import type { Target } from '../target.ts';

/** Whole requests, beside Node's own parser: what is accepted, and what we write for it. */
export const target: Target = {
  name: 'llhttp-request',
  seeds: REQUESTS.map(({ bytes }) => Buffer.from(bytes, 'latin1')),
  dictionary: DICTIONARY,
  bytesMax: 2_000,
  check: (input) => checkAgainstLlhttp(requestCase('fuzzed', input.toString('latin1'))),
};
