import { check, codeOf, expectWhole } from '../client/expect.ts';
import type { Kind } from './kind.ts';

/** A sandbox that is told by its token: with it, and with a wrong one and then with it on the same connection. */
export const token: Kind = {
  name: 'token',
  weight: 4,
  codes: ['TOKEN_REQUIRED'],
  async run(attempt) {
    const authority = `api.origin.test:${attempt.world.ports.tls}`;
    if (attempt.random.next() < 0.4) {
      const { answer } = await attempt.askTunnel(authority, { fields: [basic('token:wrong-token-0123456789')] });
      return check(answer.status === 407 && codeOf(answer) === 'TOKEN_REQUIRED', `a wrong token: ${answer.status}`);
    }
    const fields = [basic(`token:${attempt.world.credentials.token}`)];
    const connection = await attempt.intercepted('api.origin.test', { fields });
    expectWhole(await attempt.ask(connection, 'GET', attempt.url('api.origin.test', '/bytes/10')));
  },
};

const basic = (text: string): string => `Proxy-Authorization: Basic ${Buffer.from(text).toString('base64')}`;
