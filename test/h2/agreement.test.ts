import { createServer } from 'node:https';
import { describe, expect, it } from 'vitest';
import { closeAfterTest, closeOpened } from '../support/closing.ts';
import { answering } from '../support/h2-origins.ts';
import { ask, askOverH1, startNodeScene } from '../support/h2-stage.ts';
import { nodeClient, through } from '../support/h2-ways.ts';
import { answering as answeringOverH1 } from '../support/origin.ts';
import { certificateFor, startScene } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

describe('what a client is offered', () => {
  it.each([
    ['best first', ['h2', 'http/1.1']],
    ['in the order of httpx', ['http/1.1', 'h2']],
  ])('is HTTP/2 where the origin speaks it: %s', async (_order, alpn) => {
    const { way, origin } = await startNodeScene({ onRequest: answering('ok') });
    expect((await way.open(alpn)).alpnProtocol).toBe('h2');
    // What was connected to find that out serves the first request, of any client of the sandbox.
    const answer = await ask(await nodeClient(way), { ':path': '/' });
    expect(answer.body.toString()).toBe('ok');
    expect(origin.sessions).toHaveLength(1);
  });

  it('is HTTP/1.1 where the origin speaks nothing else, and the connection that told so is used', async () => {
    const { postern, authority, origin } = await startScene({ origin: { onConnection: answeringOverH1(OK) } });
    const socket = await through(postern, authority).open(['h2', 'http/1.1']);
    expect(socket.alpnProtocol).toBe('http/1.1');
    expect(await askOverH1(socket, authority)).toContain('HTTP/1.1 200 OK');
    expect(origin.connections).toHaveLength(1);
  });

  it('is HTTP/1.1 for a client that offers nothing, or HTTP/1.1 alone, and then nothing is found out', async () => {
    const { way, origin } = await startNodeScene({ allowHTTP1: true });
    expect((await way.open([])).alpnProtocol).toBe(false);
    expect((await way.open(['http/1.1'])).alpnProtocol).toBe('http/1.1');
    expect(origin.sessions).toHaveLength(0);
  });

  it.each([
    ['HTTP/1.1 where it may', ['h2', 'http/1.1'], 'http/1.1'],
    ['HTTP/2 where it offers nothing else', ['h2'], 'h2'],
  ])('is, where the origin cannot be reached, %s, and the answer says what is wrong', async (_what, alpn, agreed) => {
    const { way, origin } = await startNodeScene({});
    await new Promise((resolve) => origin.server.close(resolve));
    const socket = await way.open(alpn);
    expect(socket.alpnProtocol).toBe(agreed);
    if (agreed === 'h2') {
      const answer = await ask(await nodeClient(way), { ':path': '/' });
      expect(answer).toMatchObject({ status: 502, fields: { 'x-postern-error': 'CONNECT_FAILED' } });
    } else {
      expect(await askOverH1(socket, way.authority)).toContain('HTTP/1.1 502 CONNECT_FAILED');
    }
  });

  it('stays good for a client that is connected when the origin is changed over to HTTP/1.1', async () => {
    const { way, origin } = await startNodeScene({ onRequest: answering('ok') });
    const client = await nodeClient(way);
    expect((await ask(client, { ':path': '/' })).status).toBe(200);
    for (const each of origin.sessions) each.destroy();
    await new Promise((resolve) => origin.server.close(resolve));
    const seen: string[] = [];
    const replaced = createServer({ ...certificateFor('origin.test') }, (request, response) => {
      seen.push(request.httpVersion);
      response.end('old');
    });
    await new Promise<void>((resolve) => replaced.listen(origin.port, '127.0.0.1', resolve));
    closeAfterTest(replaced, () => replaced.close());
    const answer = await ask(client, { ':path': '/' });
    expect(answer).toMatchObject({ status: 200, body: Buffer.from('old') });
    expect(seen).toEqual(['1.1']);
    // And the next one is told what is spoken now.
    expect((await way.open(['h2', 'http/1.1'])).alpnProtocol).toBe('http/1.1');
  });
});
