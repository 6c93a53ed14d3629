import { single } from '../client/answer.ts';
import { check, expectWhole } from '../client/expect.ts';
import type { Kind } from './kind.ts';

/** The origin answers with the credential that it was sent: in a field and in a body, whole, split, compressed, as events. */
export const echoedSecret: Kind = {
  name: 'echoed-secret',
  weight: 6,
  codes: [],
  async run(attempt) {
    const { fixed } = attempt.world.credentials;
    const stars = '*'.repeat(fixed.length);
    const how = attempt.random.one(['plain', 'gzip', 'chunked', 'events']);
    const connection = await attempt.intercepted('api.origin.test');
    const answer = await attempt.ask(connection, 'GET', attempt.url('api.origin.test', `/echo/${how}`), {
      fields: ['Accept-Encoding: gzip'],
    });
    expectWhole(answer);
    const wanted =
      how === 'events' ? [0, 1, 2].map((at) => `data: ${at} ${stars}\n\n`).join('') : `{"value":"${stars}"}`;
    check(answer.body.toString() === wanted, `${how}: the body is ${JSON.stringify(answer.body.toString())}`);
    check(single(answer, 'x-echo') === stars, `the field is ${single(answer, 'x-echo')}`);
  },
};
