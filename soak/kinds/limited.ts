import { single } from '../client/answer.ts';
import { check, codeOf, expectRefused, expectWhole } from '../client/expect.ts';
import { patternOf } from '../pattern.ts';
import type { Kind } from './kind.ts';

const HOST = 'limited.origin.test';

/** A rule with limits: what it lets in comes whole, what it does not is told when to come again. */
export const limited: Kind = {
  name: 'limited',
  weight: 5,
  codes: ['RATE_LIMITED', 'BODY_TOO_LARGE'],
  async run(attempt) {
    const connection = await attempt.intercepted(HOST);
    const url = attempt.url(HOST, '/seen');
    for (let left = attempt.random.between(1, 4); left > 0; left--) {
      const answer = await attempt.ask(connection, 'POST', url, { body: patternOf(attempt.random.between(0, 900)) });
      if (codeOf(answer) === null) expectWhole(answer);
      else {
        expectRefused(answer, 429, 'RATE_LIMITED');
        check(Number(single(answer, 'retry-after')) > 0, 'a 429 without Retry-After');
      }
      if (codeOf(answer) !== null) return; // its body was not read: the connection ends
    }
    const answer = await attempt.ask(connection, 'POST', url, { body: patternOf(2000) });
    if (answer.status === 429) expectRefused(answer, 429, 'RATE_LIMITED');
    else expectRefused(answer, 413, 'BODY_TOO_LARGE');
  },
};
