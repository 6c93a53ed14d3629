import { check } from '../client/expect.ts';
import { patternOf } from '../pattern.ts';
import type { Kind } from './kind.ts';

/** Raw TCP to an address of `subnets.allow`; either side ends first, and both ends are passed on. */
export const rawTcp: Kind = {
  name: 'raw-tcp',
  weight: 4,
  codes: [],
  async run(attempt) {
    const connection = await attempt.tunnel(`127.0.0.1:${attempt.world.ports.raw}`);
    const bytes = patternOf(attempt.random.between(1, 200_000));
    connection.send(bytes);
    check((await connection.exactly(bytes.length)).equals(bytes), 'other bytes came back');
    if (attempt.random.next() < 0.3) return connection.reset();
    connection.socket.end('last');
    check((await connection.rest()).toString() === 'last', 'what was sent with the end did not come back');
  },
};
