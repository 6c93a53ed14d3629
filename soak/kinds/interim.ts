import { check, expectWhole } from '../client/expect.ts';
import type { Kind } from './kind.ts';

/** Interim answers before, and trailers after, as the origin sent them. */
export const interim: Kind = {
  name: 'interim',
  weight: 3,
  codes: [],
  async run(attempt) {
    const connection = await attempt.intercepted('api.origin.test');
    const answer = await attempt.ask(connection, 'GET', attempt.url('api.origin.test', '/interim'));
    expectWhole(answer);
    check(answer.interim.join() === '102,103', `the interim answers are ${answer.interim.join()}`);
    check(answer.body.toString() === 'hints', 'the body is another');
    check(answer.trailers.get('x-check')?.join() === 'after', 'the trailer is not there');
  },
};
