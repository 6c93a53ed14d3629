import { createServer } from 'node:https';
import { describe, expect, it } from 'vitest';
import { closeAfterTest, closeOpened } from '../support/closing.ts';
import { h2Request, h2Session, secureTunnel } from '../support/h2-client.ts';
import { startH2Scene } from '../support/h2-scene.ts';
import { answering } from '../support/origin.ts';
import { certificateFor, startScene } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

describe('what a client is offered', () => {
  it.each([
    ['best first', ['h2', 'http/1.1']],
    ['in the order of httpx', ['http/1.1', 'h2']],
  ])('is HTTP/2 where the origin speaks it: %s', async (_order, alpn) => {
    const { postern, authority, origin } = await startH2Scene({});
    expect((await secureTunnel(postern.proxyPort, authority, postern.ca, alpn)).alpnProtocol).toBe('h2');
    // What was connected to find that out serves the first request, of any client of the sandbox.
    const answer = await h2Request(await h2Session(postern.proxyPort, authority, postern.ca), { ':path': '/' });
    expect(answer.body.toString()).toBe('ok');
    expect(origin.sessions).toHaveLength(1);
  });

  it('is HTTP/1.1 where the origin speaks nothing else, and the connection that told so is used', async () => {
    const { postern, authority, origin } = await startScene({ origin: { onConnection: answering(OK) } });
    const socket = await secureTunnel(postern.proxyPort, authority, postern.ca, ['h2', 'http/1.1']);
    expect(socket.alpnProtocol).toBe('http/1.1');
    socket.write(`GET / HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`);
    let text = '';
    for await (const bytes of socket) text += bytes;
    expect(text).toContain('HTTP/1.1 200 OK');
    expect(origin.connections).toHaveLength(1);
  });

  it('is HTTP/1.1 for a client that offers nothing, or HTTP/1.1 alone, and then nothing is found out', async () => {
    const { postern, authority, origin } = await startH2Scene({ alpn: ['h2', 'http/1.1'] });
    const plain = await secureTunnel(postern.proxyPort, authority, postern.ca, ['http/1.1']);
    expect(plain.alpnProtocol).toBe('http/1.1');
    expect(origin.sessions).toHaveLength(0);
  });

  it.each([
    ['HTTP/1.1 where it may', ['h2', 'http/1.1'], 'http/1.1'],
    ['HTTP/2 where it offers nothing else', ['h2'], 'h2'],
  ])('is, where the origin cannot be reached, %s, and the answer says what is wrong', async (_what, alpn, agreed) => {
    const { postern, authority, origin } = await startH2Scene({});
    await new Promise((resolve) => origin.server.close(resolve));
    const socket = await secureTunnel(postern.proxyPort, authority, postern.ca, alpn);
    expect(socket.alpnProtocol).toBe(agreed);
    if (agreed === 'h2') {
      const answer = await h2Request(await h2Session(postern.proxyPort, authority, postern.ca), { ':path': '/' });
      expect(answer).toMatchObject({ status: 502, headers: { 'x-postern-error': 'CONNECT_FAILED' } });
    } else {
      socket.write(`GET / HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`);
      let text = '';
      for await (const bytes of socket) text += bytes;
      expect(text).toContain('HTTP/1.1 502 CONNECT_FAILED');
    }
  });

  it('stays good for a client that is connected when the origin is changed over to HTTP/1.1', async () => {
    const { postern, authority, origin, session } = await startH2Scene({});
    const client = await session();
    expect((await h2Request(client, { ':path': '/' })).status).toBe(200);
    for (const each of origin.sessions) each.destroy();
    await new Promise((resolve) => origin.server.close(resolve));
    const seen: string[] = [];
    const replaced = createServer({ ...certificateFor('origin.test') }, (request, response) => {
      seen.push(request.httpVersion);
      response.end('old');
    });
    await new Promise<void>((resolve) => replaced.listen(origin.port, '127.0.0.1', resolve));
    closeAfterTest(replaced, () => replaced.close());
    const answer = await h2Request(client, { ':path': '/' });
    expect(answer).toMatchObject({ status: 200, body: Buffer.from('old') });
    expect(seen).toEqual(['1.1']);
    // And the next one is told what is spoken now.
    const next = await secureTunnel(postern.proxyPort, authority, postern.ca, ['h2', 'http/1.1']);
    expect(next.alpnProtocol).toBe('http/1.1');
  });
});
