import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { ask, startNodeScene } from '../support/h2-stage.ts';
import { nodeClient, through } from '../support/h2-ways.ts';
import type { OriginConnection } from '../support/origin.ts';
import { SECRET, startScene } from '../support/scene.ts';

closeOpened();

/** What an HTTP/1.1 origin answers with to whatever it is asked. */
function echoOverH1(connection: OriginConnection): void {
  void connection.until(/0\r\n\r\n$|\r\n\r\n$/).then(() => {
    connection.socket.end(
      `HTTP/1.1 200 Fine\r\nX-Seen: yes\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n`,
    );
  });
}

describe('HTTP/2 through the interception', () => {
  it('carries a request with the credential that the client does not have', async () => {
    const { way, postern } = await startNodeScene({
      onRequest: ({ stream, fields }) => {
        const isKnown = fields.authorization === `Bearer ${SECRET}`;
        stream.respond({ ':status': isKnown ? 200 : 401, 'x-path': fields[':path'] });
        stream.end('hello');
      },
    });
    const answer = await ask(await nodeClient(way), { ':path': '/a?b=c' });
    expect(answer.status).toBe(200);
    expect(answer.fields['x-path']).toBe('/a?b=c');
    expect(answer.body.toString()).toBe('hello');
    const line = await postern.audited({ protocol: 'h2' });
    expect(line).toMatchObject({
      method: 'GET',
      path: '/a',
      status: 200,
      decision: 'allow',
      injected: ['token'],
      bytes_in: 5,
    });
  });

  it('passes bodies and trailers in both directions', async () => {
    const { way } = await startNodeScene({
      onRequest: (request) => {
        const { stream, bytes } = request;
        void bytes.then((body) => {
          stream.respond({ ':status': 200 }, { waitForTrailers: true });
          stream.on('wantTrailers', () => stream.sendTrailers({ 'x-got': request.trailers?.['x-sum'] }));
          stream.end(body);
        });
      },
    });
    const body = Buffer.alloc(3_000_000, 'abcdefghij');
    const sent = { body, trailers: { 'x-sum': '17' } };
    const answer = await ask(await nodeClient(way), { ':method': 'POST', ':path': '/' }, sent);
    expect(answer.status).toBe(200);
    expect(answer.body.equals(body)).toBe(true);
    expect(answer.trailers?.['x-got']).toBe('17');
  });

  it('carries bodies of no bytes, whose end has come before anybody can take it', async () => {
    const { way } = await startNodeScene({
      onRequest: ({ stream, fields, bytes }) => {
        void bytes.then(({ length }) => {
          stream.respond({ ':status': 200, 'x-count': length });
          stream.end(fields[':path'] === '/empty' ? '' : 'x');
        });
      },
    });
    const client = await nodeClient(way);
    const all = Array.from({ length: 40 }, (_, at) =>
      ask(client, { ':method': 'POST', ':path': at % 2 === 0 ? '/empty' : '/' }, { body: '' }),
    );
    for (const [at, answer] of (await Promise.all(all)).entries()) {
      expect(answer).toMatchObject({ status: 200, code: 0, fields: { 'x-count': '0' } });
      expect(answer.body).toHaveLength(at % 2);
    }
  });

  it('goes out as HTTP/1.1 where the client speaks nothing else and the origin no HTTP/2', async () => {
    const { postern, origin, authority } = await startScene({
      origin: { onConnection: echoOverH1 },
      rule: 'keep: [cookie]',
    });
    const session = await nodeClient(through(postern, authority));
    const headers = { ':method': 'POST', ':path': '/a?b', cookie: ['a=1', 'b=2'], 'x-own': 'v' };
    const answer = await ask(session, headers, { body: 'body', trailers: { 'x-last': '9' } });
    expect(answer).toMatchObject({ status: 200, body: Buffer.from('ok') });
    expect(answer.fields['x-seen']).toBe('yes');
    expect(answer.fields['transfer-encoding']).toBeUndefined();
    expect(answer.trailers?.['x-sum']).toBe('1');
    expect(origin.connections[0]?.received).toBe(
      `POST /a?b HTTP/1.1\r\nhost: ${authority}\r\ncookie: a=1; b=2\r\nx-own: v\r\nAuthorization: Bearer ${SECRET}\r\n` +
        'Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx-last: 9\r\n\r\n',
    );
  });
});
