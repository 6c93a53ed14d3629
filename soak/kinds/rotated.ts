import { check, expectWhole } from '../client/expect.ts';
import type { Kind } from './kind.ts';

/** The secret that is rotated: never one that was replaced before the request began, never one that is still to come. */
export const rotated: Kind = {
  name: 'rotated',
  weight: 8,
  codes: [],
  async run(attempt) {
    const { rotating } = attempt.world.credentials;
    const connection = await attempt.intercepted('rotating.origin.test');
    for (let left = attempt.random.between(1, 6); left > 0; left--) {
      const oldest = rotating.confirmed;
      const answer = await attempt.ask(connection, 'GET', attempt.url('rotating.origin.test', '/value'));
      expectWhole(answer);
      const index = Number(answer.body.toString());
      check(index >= oldest && index <= rotating.newest, `value ${index} after ${oldest} was in force`);
    }
  },
};
