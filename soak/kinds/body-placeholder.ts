import { check, expectRefused, expectWhole, sha256 } from '../client/expect.ts';
import { PLACEHOLDER } from '../world/configuration.ts';
import type { Kind } from './kind.ts';

interface Body {
  readonly type: string;
  readonly text: string;
  readonly isBound: boolean;
}

const bodies: readonly [Body, ...Body[]] = [
  { type: 'application/json', text: `{"grant":"x","client_secret":"${PLACEHOLDER}","after":1}`, isBound: true },
  { type: 'application/x-www-form-urlencoded', text: `grant=x&client_secret=${PLACEHOLDER}&after=1`, isBound: true },
  { type: 'application/json', text: `{"grant":"${PLACEHOLDER}"}`, isBound: false },
  { type: 'text/plain', text: `a ${PLACEHOLDER} b`, isBound: false },
];

/** Placeholders in bodies, swapped and escaped where they are bound; refused where they are not, or cannot be read. */
export const bodyPlaceholder: Kind = {
  name: 'body-placeholder',
  weight: 6,
  codes: ['PLACEHOLDER_MISUSE', 'BODY_ENCODED'],
  async run(attempt) {
    const { type, text, isBound } = attempt.random.one(bodies);
    const isEncoded = attempt.random.next() < 0.2;
    const fields = [`Content-Type: ${type}`, ...(isEncoded ? ['Content-Encoding: gzip'] : [])];
    const connection = await attempt.intercepted('body.origin.test');
    const url = attempt.url('body.origin.test', '/seen');
    const answer = await attempt.ask(connection, 'POST', url, { fields, body: text });
    if (isEncoded) return expectRefused(answer, 415, 'BODY_ENCODED');
    if (!isBound) return expectRefused(answer, 403, 'PLACEHOLDER_MISUSE');
    expectWhole(answer);
    const { member } = JSON.parse(answer.body.toString()) as { member: string };
    check(member === sha256(attempt.world.credentials.inBody), `${type}: the origin read another secret`);
  },
};
