import { setTimeout as delay } from 'node:timers/promises';
import { type Attempt, head } from '../client/attempt.ts';
import type { Connection } from '../client/connection.ts';
import type { Kind } from './kind.ts';

const HOST = 'api.origin.test';
type Leaving = (attempt: Attempt) => Promise<Connection>;

/** Where clients leave: each goes so far, and no further. */
const places: readonly [Leaving, ...Leaving[]] = [
  async (attempt) => sent(await attempt.connect(), 'GET http://plain.orig'),
  async (attempt) => sent(await attempt.connect(), `CONNECT ${HOST}:${attempt.world.ports.tls} HTTP/1.1\r\n`),
  async (attempt) => attempt.tunnel(`${HOST}:${attempt.world.ports.tls}`),
  // The first bytes of a ClientHello.
  async (attempt) => sent(await attempt.tunnel(`${HOST}:${attempt.world.ports.tls}`), '\x16\x03\x01\x02\x00\x01\x00'),
  async (attempt) => sent(await attempt.tunnel(`pass.origin.test:${attempt.world.ports.tls}`), '\x16\x03\x01'),
  async (attempt) => sent(await attempt.intercepted(HOST), 'GET /bytes/1 HTT'),
  async (attempt) =>
    sent(await attempt.intercepted(HOST), `${head('POST', '/seen', target(attempt), ['Content-Length: 9'])}abc`),
  async (attempt) =>
    sent(
      await attempt.intercepted(HOST),
      `${head('POST', '/seen', target(attempt), ['Transfer-Encoding: chunked'])}5\r\nabc`,
    ),
  async (attempt) => sent(await attempt.intercepted(HOST), head('GET', '/silent', target(attempt), [])),
  async (attempt) => {
    const connection = sent(await attempt.intercepted(HOST), head('GET', '/trickle/2000', target(attempt), []));
    await connection.exactly(300);
    return connection;
  },
  async (attempt) => {
    const connection = sent(await attempt.intercepted(HOST), head('GET', '/bytes/1000000', target(attempt), []));
    await connection.exactly(300);
    return connection;
  },
];

const target = (attempt: Attempt): string => attempt.url(HOST, '/').host;

function sent(connection: Connection, text: string): Connection {
  connection.send(text);
  return connection;
}

/** Clients that leave in a head, in a handshake, in a body, before and in an answer: by an end, or a reset. */
export const clientLeaves: Kind = {
  name: 'client-leaves',
  weight: 10,
  codes: ['REQUEST_INVALID', 'TLS_FAILED', 'FRAMING_INVALID', 'UPSTREAM_RESET', 'PROTOCOL_DENIED'],
  async run(attempt) {
    const connection = await attempt.random.one(places)(attempt);
    await delay(attempt.random.between(0, 30)); // a different place of the proxy's work each time
    if (attempt.random.next() < 0.5) connection.destroy();
    else connection.reset();
  },
};
