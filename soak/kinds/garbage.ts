import type { Code } from '../../src/errors.ts';
import { readAnswer } from '../client/answer.ts';
import { head } from '../client/attempt.ts';
import { check, expectRefused } from '../client/expect.ts';
import type { Kind } from './kind.ts';

const TARGET = 'http://plain.origin.test/';
const HOST = 'plain.origin.test';

type Message = readonly [text: string, status: number, code: Code];

const messages: readonly [Message, ...Message[]] = [
  ['\x00\x01\x02\r\n\r\n', 400, 'REQUEST_INVALID'],
  ['GET / HTTQ/1.1\r\n\r\n', 400, 'REQUEST_INVALID'],
  [head('GET', '/', HOST, []), 400, 'TARGET_INVALID'],
  [head('POST', TARGET, HOST, ['Content-Length: 1', 'Content-Length: 2']), 400, 'FRAMING_INVALID'],
  [head('POST', TARGET, HOST, ['Content-Length: 1', 'Transfer-Encoding: chunked']), 400, 'FRAMING_INVALID'],
  [head('GET', TARGET, HOST, ['Host: other.origin.test']), 400, 'HEADERS_AMBIGUOUS'],
  [head('GET', TARGET, 'other.origin.test', []), 421, 'TARGET_MISMATCH'],
  [head('GET', TARGET, HOST, [`X-Large: ${'x'.repeat(70_000)}`]), 431, 'HEADERS_TOO_LARGE'],
  [head('POST', TARGET, HOST, ['Content-Length: 1', 'Expect: magic']), 417, 'EXPECTATION_FAILED'],
];

/** Bytes that are no HTTP, HTTP that is read in two ways, and a tunnel in which neither TLS nor HTTP is spoken. */
export const garbage: Kind = {
  name: 'garbage',
  weight: 6,
  codes: [...messages.map(([, , code]) => code), 'PROTOCOL_DENIED'],
  async run(attempt) {
    const { random } = attempt;
    const [text, status, code] = random.one(messages);
    const connection = await attempt.connect();
    connection.send(text);
    expectRefused(await readAnswer(connection, 'GET'), status, code);
    const tunnel = await attempt.tunnel(`pass.origin.test:${attempt.world.ports.tls}`);
    tunnel.send(Buffer.from(Array.from({ length: 200 }, () => random.between(0x80, 0xff))));
    check((await tunnel.rest()).length === 0, 'a passthrough tunnel answered what is not TLS');
  },
};
