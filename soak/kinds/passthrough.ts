import { check, expectWhole } from '../client/expect.ts';
import { patternOf } from '../pattern.ts';
import type { Kind } from './kind.ts';

/** TLS through a passthrough tunnel: the certificate is the origin's own. */
export const passthrough: Kind = {
  name: 'passthrough',
  weight: 5,
  codes: [],
  async run(attempt) {
    const tunnel = await attempt.tunnel(`pass.origin.test:${attempt.world.ports.tls}`);
    const connection = await attempt.secure(tunnel, 'pass.origin.test', attempt.world.originCa);
    for (let left = attempt.random.between(1, 3); left > 0; left--) {
      const size = attempt.random.between(0, 100_000);
      const answer = await attempt.ask(connection, 'GET', attempt.url('pass.origin.test', `/open/${size}`));
      expectWhole(answer);
      check(answer.body.equals(patternOf(size)), 'the body is another');
    }
  },
};
