import { check, expectRefused } from '../client/expect.ts';
import type { Kind } from './kind.ts';

/** An origin that does not begin, or does not go on, under a rule that waits for neither. */
export const impatient: Kind = {
  name: 'impatient',
  weight: 4,
  codes: ['HEAD_TIMEOUT', 'IDLE_TIMEOUT'],
  async run(attempt) {
    const connection = await attempt.intercepted('impatient.origin.test');
    if (attempt.random.next() < 0.5) {
      const answer = await attempt.ask(connection, 'GET', attempt.url('impatient.origin.test', '/silent'));
      return expectRefused(answer, 504, 'HEAD_TIMEOUT');
    }
    const answer = await attempt.ask(connection, 'GET', attempt.url('impatient.origin.test', '/stalled'));
    // On a machine that is too busy the origin itself, which is in this process, can be late with its head.
    if (answer.status === 504) return expectRefused(answer, 504, 'HEAD_TIMEOUT');
    check(answer.status === 200 && !answer.whole, `expected a cut answer, got ${answer.status}`);
    check(answer.body.length === 1000, `${answer.body.length} bytes came before the cut`);
  },
};
