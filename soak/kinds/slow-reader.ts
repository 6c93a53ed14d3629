import { setTimeout as delay } from 'node:timers/promises';
import { readAnswer } from '../client/answer.ts';
import { check, expectWhole } from '../client/expect.ts';
import { patternOf } from '../pattern.ts';
import type { Kind } from './kind.ts';

const SIZE = 1 << 20;

/** A client that asks for much and reads it with pauses: nothing is lost, and nothing is gathered meanwhile. */
export const slowReader: Kind = {
  name: 'slow-reader',
  weight: 2,
  codes: [],
  async run(attempt) {
    const connection = await attempt.intercepted('api.origin.test');
    const asked = 4;
    for (let left = asked; left > 0; left--)
      attempt.send(connection, 'GET', attempt.url('api.origin.test', `/bytes/${SIZE}`));
    for (let left = asked; left > 0; left--) {
      connection.socket.pause();
      await delay(attempt.random.between(50, 400));
      connection.socket.resume();
      const answer = await readAnswer(connection, 'GET');
      expectWhole(answer);
      check(answer.body.equals(patternOf(SIZE)), 'the body is another');
    }
  },
};
