import type { Answer } from '../client/answer.ts';
import { check, codeOf, expectRefused, expectWhole } from '../client/expect.ts';
import { patternOf } from '../pattern.ts';
import type { Kind } from './kind.ts';

const isCut = (answer: Answer): void => {
  check(answer.status === 200 && codeOf(answer) === null, `expected 200, got ${answer.status} ${codeOf(answer)}`);
  check(!answer.whole, 'a body that was cut looks whole');
};
const isBody = (body: string) => (answer: Answer) => {
  expectWhole(answer);
  check(answer.body.toString() === body, `the body is ${JSON.stringify(answer.body.toString().slice(0, 50))}`);
};

type Oracle = readonly [path: string, judge: (answer: Answer) => void];

/** What the client must see of each fault of `origin/faults.ts`. */
const oracles: readonly [Oracle, ...Oracle[]] = [
  ['/reset', (answer) => expectRefused(answer, 502, 'UPSTREAM_RESET')],
  ['/truncated', isCut],
  ['/truncated-chunks', isCut],
  ['/reset-later', isCut],
  ['/trickle/40', isBody(patternOf(40).toString())],
  ['/surplus', isBody('first')],
  ['/closing', isBody('last')],
  ['/two-lengths', (answer) => expectRefused(answer, 502, 'RESPONSE_INVALID')],
  ['/no-http', (answer) => expectRefused(answer, 502, 'RESPONSE_INVALID')],
];

/** Faults of the origin, and after each a good request on the same client connection where it is still there. */
export const originFails: Kind = {
  name: 'origin-fails',
  weight: 10,
  codes: ['UPSTREAM_RESET', 'RESPONSE_INVALID'],
  async run(attempt) {
    const [path, judge] = attempt.random.one(oracles);
    const connection = await attempt.intercepted('faulty.origin.test');
    const answer = await attempt.ask(connection, 'GET', attempt.url('faulty.origin.test', path));
    judge(answer);
    if (!answer.whole) return; // the connection has ended with it
    const after = await attempt.ask(connection, 'GET', attempt.url('faulty.origin.test', '/bytes/100'));
    isBody(patternOf(100).toString())(after);
  },
};
