import { check, expectWhole } from '../client/expect.ts';
import { patternOf } from '../pattern.ts';
import type { Kind } from './kind.ts';

const SIZES = [0, 1, 900, 16_000, 70_000, 400_000] as const;

/** Requests in an intercepted tunnel, one or several on a connection. The origin answers 401 without the credential. */
export const get: Kind = {
  name: 'get',
  weight: 20,
  codes: [],
  async run(attempt) {
    const connection = await attempt.intercepted('api.origin.test');
    for (let left = attempt.random.between(1, 8); left > 0; left--) {
      const size = attempt.random.one(SIZES);
      const method = attempt.random.one(['GET', 'GET', 'GET', 'HEAD']);
      const path = attempt.random.one([`/bytes/${size}`, `/chunked/${size}`]);
      // A credential of the client's own must never arrive.
      const fields = ['Authorization: Bearer of-the-client', 'Accept: */*'];
      const answer = await attempt.ask(connection, method, attempt.url('api.origin.test', path), { fields });
      expectWhole(answer);
      check(answer.body.equals(patternOf(method === 'HEAD' ? 0 : size)), `${method} ${path} has another body`);
    }
  },
};
