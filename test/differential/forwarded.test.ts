import { beforeAll, describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { type OriginConnection, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectTunnel } from '../support/raw-client.ts';
import { loopback } from '../support/scene.ts';
import { HOST, throughUs } from './forwarded.ts';
import { asWeRead, type Case, type Message, type MessageReading } from './message.ts';
import { REQUESTS } from './request-cases.ts';
import { RESPONSES } from './response-cases.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

interface Row {
  readonly one: Case;
  readonly written: Case;
}

/** Cases that we forward and what we are said to write for them; spellings of the host that a port would change are left out. */
const rowsOf = (cases: readonly Case[]): readonly Row[] =>
  cases.flatMap((one) => {
    const { ours, written } = throughUs(one);
    if (written === null || ours.kind !== 'message' || /A\.TEST|a\.test[.:]/.test(one.bytes)) return [];
    return [{ one: { ...one, bytes: one.bytes.slice(0, ours.end ?? undefined) }, written }];
  });

const headOf = (bytes: string): string => bytes.slice(0, bytes.indexOf('\r\n\r\n'));

const longer = (text: string): RegExp => new RegExp(`^[\\s\\S]{${text.length + 1}}`);

/** Without where it ends: chunks are cut as they arrive. */
function messageIn(bytes: string, answerTo: string | null): Message | MessageReading['kind'] {
  const reading = asWeRead({ bytes, answerTo });
  return reading.kind === 'message' ? { ...reading, end: null } : reading.kind;
}

/** An origin whose answer is set by the test, and a tunnel to it through a running proxy. */
async function scene() {
  let answer = OK;
  const received: OriginConnection[] = [];
  const origin = await startOrigin({
    onConnection: (connection) => {
      received.push(connection);
      connection.socket.on('data', () => {
        if (messageIn(connection.received, null) !== 'incomplete') connection.socket.end(answer, 'latin1');
      });
    },
  });
  const authority = `plain.test:${origin.port}`;
  const rule = `{ name: all, hosts: [plain.test], ports: [${origin.port}], schemes: [http] }`;
  const postern = await startPostern({ ...loopback(), policies: `version: 1\nrules: [${rule}]\n` });
  return {
    authority,
    received,
    answerWith: (bytes: string) => {
      answer = bytes;
    },
    open: () => connectTunnel(postern.proxyPort, authority),
  };
}

describe('a running proxy', () => {
  let requests: readonly Row[] = [];
  let responses: readonly Row[] = [];
  beforeAll(() => {
    requests = rowsOf(REQUESTS);
    responses = rowsOf(RESPONSES);
    expect(requests.length).toBeGreaterThan(60);
    expect(responses.length).toBeGreaterThan(40);
  });

  it('writes the requests that the comparison with other parsers is about', async () => {
    const { authority, received, open } = await scene();
    const atOrigin = (bytes: string): string => bytes.replaceAll(HOST, authority);
    for (const { one, written } of requests) {
      const client = await open();
      client.send(atOrigin(one.bytes));
      await client.until(/HTTP\/1\.1 200 /);
      const got = received.at(-1)?.received ?? '';
      expect(headOf(got), one.name).toBe(atOrigin(headOf(written.bytes)));
      expect(messageIn(got, null), one.name).toEqual(messageIn(atOrigin(written.bytes), null));
      client.socket.destroy();
    }
  });

  it('writes the answers that it is about', async () => {
    const { authority, answerWith, open } = await scene();
    for (const { one, written } of responses) {
      const isInterim = /^HTTP\/1\.[01] 1/.test(one.bytes);
      answerWith(isInterim ? one.bytes + OK : one.bytes);
      const client = await open();
      client.send(`${one.answerTo} / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
      await client.until(isInterim ? /HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\n/ : /\r\n\r\n/);
      const complete = messageIn(written.bytes, one.answerTo);
      while (messageIn(client.received, one.answerTo) === 'incomplete') await client.until(longer(client.received));
      expect(headOf(client.received), one.name).toBe(headOf(written.bytes));
      expect(messageIn(client.received, one.answerTo), one.name).toEqual(complete);
      client.socket.destroy();
    }
  });
});
