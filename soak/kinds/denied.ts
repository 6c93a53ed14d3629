import type { Code } from '../../src/errors.ts';
import { check, codeOf, expectRefused } from '../client/expect.ts';
import type { Kind } from './kind.ts';

type Inside = readonly [method: string, path: string, status: number, code: Code];

const inside: readonly [Inside, ...Inside[]] = [
  ['DELETE', '/bytes/1', 403, 'METHOD_DENIED'],
  ['GET', '/other', 403, 'PATH_DENIED'],
  ['GET', '/bytes/admin', 403, 'RULE_DENIED'],
  ['GET', '/bytes//x', 400, 'PATH_AMBIGUOUS'],
];

/** What the policy does not allow: names that nobody knows, methods, paths, a rule, an address. */
export const denied: Kind = {
  name: 'denied',
  weight: 8,
  codes: ['HOST_DENIED', 'METHOD_DENIED', 'PATH_DENIED', 'RULE_DENIED', 'ADDRESS_DENIED', 'PATH_AMBIGUOUS'],
  async run(attempt) {
    const name = `h${attempt.random.between(0, 1_000_000)}`;
    const [authority, wanted] = attempt.random.one<readonly [string, Code]>([
      [`${name}.denied.test:443`, 'HOST_DENIED'],
      [`api.origin.test:${attempt.random.between(1, 1000)}`, 'HOST_DENIED'],
      ['10.1.2.3:443', 'ADDRESS_DENIED'],
      [`private${name}.origin.test:${attempt.world.ports.tls}`, 'ADDRESS_DENIED'],
    ]);
    const { answer } = await attempt.askTunnel(authority);
    check(answer.status === 403 && codeOf(answer) === wanted, `${authority}: ${answer.status} ${codeOf(answer)}`);
    check(answer.reason.startsWith(`${wanted}: `), `the reason phrase is ${answer.reason}`);
    const connection = await attempt.intercepted('origin.test');
    // All on one connection: a refusal leaves it as good as before.
    for (let left = attempt.random.between(1, 4); left > 0; left--) {
      const [method, path, status, code] = attempt.random.one(inside);
      expectRefused(await attempt.ask(connection, method, attempt.url('origin.test', path)), status, code);
    }
  },
};
