import { check, expectWhole } from '../client/expect.ts';
import type { Kind } from './kind.ts';

/** Names by the hundred under one wildcard: leaves are made, forgotten and made again, and so are answers of DNS. */
export const wildcard: Kind = {
  name: 'wildcard',
  weight: 8,
  codes: [],
  async run(attempt) {
    const host = `w${attempt.random.between(0, 499)}.origin.test`;
    const connection = await attempt.intercepted(host);
    const answer = await attempt.ask(connection, 'GET', attempt.url(host, '/bytes/500'));
    expectWhole(answer);
    check(answer.body.length === 500, 'the body is another');
  },
};
