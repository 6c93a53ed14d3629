import { readAnswer } from '../client/answer.ts';
import { head } from '../client/attempt.ts';
import { check, expectWhole } from '../client/expect.ts';
import { patternOf } from '../pattern.ts';
import type { Kind } from './kind.ts';

/** Plain HTTP in absolute-form, several requests on a connection, sometimes sent before the answers are there. */
export const plain: Kind = {
  name: 'plain',
  weight: 6,
  codes: [],
  async run(attempt) {
    const authority = `plain.origin.test:${attempt.world.ports.plain}`;
    const connection = await attempt.connect();
    const sizes = Array.from({ length: attempt.random.between(1, 5) }, () => attempt.random.between(0, 50_000));
    const isPipelined = attempt.random.next() < 0.5;
    const send = (size: number) => connection.send(head('GET', `http://${authority}/open/${size}`, authority, []));
    if (isPipelined) for (const size of sizes) send(size);
    for (const size of sizes) {
      if (!isPipelined) send(size);
      const answer = await readAnswer(connection, 'GET');
      expectWhole(answer);
      check(answer.body.equals(patternOf(size)), 'the body is another');
    }
  },
};
