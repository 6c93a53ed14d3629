import { readAnswer } from '../client/answer.ts';
import { check, expectRefused } from '../client/expect.ts';
import type { Kind } from './kind.ts';

/** Clients that connect and say nothing, or half of a head, and stay. */
export const halfOpen: Kind = {
  name: 'half-open',
  weight: 3,
  codes: ['REQUEST_TIMEOUT', 'PROTOCOL_DENIED', 'TLS_FAILED'],
  async run(attempt) {
    const where = attempt.random.one(['silent', 'head', 'tunnel', 'hello']);
    if (where === 'head') {
      const connection = await attempt.connect();
      connection.send('GET http://plain.origin.test/ HTTP/1.1\r\nHost: plain.or');
      return expectRefused(await readAnswer(connection, 'GET'), 408, 'REQUEST_TIMEOUT');
    }
    const isTunnel = where === 'tunnel' || where === 'hello';
    const connection = isTunnel
      ? await attempt.tunnel(`api.origin.test:${attempt.world.ports.tls}`)
      : await attempt.connect();
    if (where === 'hello') connection.send('\x16\x03\x01\x02\x00\x01');
    const bytes = await connection.rest();
    check(bytes.length === 0, `${where}: closed with ${JSON.stringify(bytes.toString('latin1'))}`);
  },
};
