import { readAnswer } from '../client/answer.ts';
import { head } from '../client/attempt.ts';
import { check } from '../client/expect.ts';
import { patternOf } from '../pattern.ts';
import type { Kind } from './kind.ts';

/** A WebSocket whose bytes come back as they went; it ends in one of three ways. */
export const websocket: Kind = {
  name: 'websocket',
  weight: 5,
  codes: [],
  async run(attempt) {
    const connection = await attempt.intercepted('api.origin.test');
    const { host } = attempt.url('api.origin.test', '/');
    connection.send(
      head('GET', '/socket', host, [
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      ]),
    );
    const answer = await readAnswer(connection, 'GET');
    check(answer.status === 101, `expected 101, got ${answer.status}`);
    for (let left = attempt.random.between(1, 5); left > 0; left--) {
      const bytes = patternOf(attempt.random.between(1, 30_000));
      connection.send(bytes);
      check((await connection.exactly(bytes.length)).equals(bytes), 'other bytes came back');
    }
    if (attempt.random.next() < 0.5) return; // the client leaves without a word
    connection.socket.end();
    check((await connection.rest()).length === 0, 'bytes came after the end');
  },
};
