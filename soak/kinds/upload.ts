import { readAnswer, readHead } from '../client/answer.ts';
import { type Attempt, head } from '../client/attempt.ts';
import type { Connection } from '../client/connection.ts';
import { check, expectWhole, sha256 } from '../client/expect.ts';
import { patternOf } from '../pattern.ts';
import type { Kind } from './kind.ts';

const SIZES = [0, 1, 5000, 70_000, 300_000] as const;
const HOST = 'api.origin.test';

/** Bodies up: declared, in chunks with trailers, after 100 (Continue). The origin says what arrived. */
export const upload: Kind = {
  name: 'upload',
  weight: 10,
  codes: [],
  async run(attempt) {
    const connection = await attempt.intercepted(HOST);
    for (let left = attempt.random.between(1, 4); left > 0; left--) {
      const body = patternOf(attempt.random.one(SIZES));
      const send = attempt.random.one([declared, chunked, expected]);
      await send(attempt, connection, body);
      const answer = await readAnswer(connection, 'POST');
      expectWhole(answer);
      const seen = JSON.parse(answer.body.toString()) as { sha256: string; bytes: number; trailers: object };
      check(seen.sha256 === sha256(body), `${body.length} bytes sent, others arrived (${seen.bytes})`);
      const trailers = JSON.stringify(seen.trailers);
      check(trailers === (send === chunked ? '{"x-sum":"ok"}' : '{}'), `the trailers are ${trailers}`);
    }
  },
};

async function declared(attempt: Attempt, connection: Connection, body: Buffer): Promise<void> {
  attempt.send(connection, 'POST', attempt.url(HOST, '/seen'), { body });
}

async function chunked(attempt: Attempt, connection: Connection, body: Buffer): Promise<void> {
  const { host } = attempt.url(HOST, '/');
  connection.send(head('POST', '/seen', host, ['Transfer-Encoding: chunked', 'Trailer: X-Sum']));
  for (let at = 0; at < body.length; at += 20_000) {
    const piece = body.subarray(at, at + 20_000);
    connection.send(`${piece.length.toString(16)}\r\n`);
    connection.send(piece);
    connection.send('\r\n');
  }
  connection.send('0\r\nX-Sum: ok\r\n\r\n');
}

async function expected(attempt: Attempt, connection: Connection, body: Buffer): Promise<void> {
  const { host } = attempt.url(HOST, '/');
  connection.send(head('POST', '/seen', host, [`Content-Length: ${body.length}`, 'Expect: 100-continue']));
  if (body.length === 0) return;
  const { status } = await readHead(connection);
  check(status === 100, `expected 100, got ${status}`);
  connection.send(body);
}
