import { check, codeOf, expectRefused } from '../client/expect.ts';
import type { Kind } from './kind.ts';

const WHERE = ['unknown', 'closed', 'stranger'] as const;

/** Hosts that are allowed and cannot be had: unknown to DNS, nobody there, a certificate that nobody trusts. */
export const unreachable: Kind = {
  name: 'unreachable',
  weight: 5,
  codes: ['DNS_FAILED', 'CONNECT_FAILED', 'TLS_UNTRUSTED'],
  async run(attempt) {
    const { ports } = attempt.world;
    const which = attempt.random.one(WHERE);
    if (which === 'unknown') {
      const { answer } = await attempt.askTunnel(
        `unknown${attempt.random.between(0, 99_999)}.origin.test:${ports.tls}`,
      );
      return check(codeOf(answer) === 'DNS_FAILED', `expected DNS_FAILED, got ${answer.status} ${codeOf(answer)}`);
    }
    const port = ports[which];
    const host = `${which}.origin.test`;
    const connection = await attempt.intercepted(host, { port });
    const url = new URL(`https://${host}:${port}/bytes/1`);
    expectRefused(
      await attempt.ask(connection, 'GET', url),
      502,
      which === 'closed' ? 'CONNECT_FAILED' : 'TLS_UNTRUSTED',
    );
  },
};
