import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import type { SeenRequest } from '../support/h2-origins.ts';
import { ask, askOverH1, startNodeScene } from '../support/h2-stage.ts';
import { nodeClient } from '../support/h2-ways.ts';
import { SECRET } from '../support/scene.ts';

closeOpened();

/** Says back what it was asked, as an origin that leaks does. */
const onRequest = ({ stream, fields: { authorization }, bytes }: SeenRequest): void => {
  void bytes.then((body) => {
    if (stream.destroyed) return;
    stream.respond({ ':status': 200, 'x-echo': authorization, 'x-body': String(body) }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-token': String(authorization) }));
    stream.end(`it was ${authorization}, wasn't it? ${body}`);
  });
};

describe('a stream of HTTP/2', () => {
  it('has the secret masked in fields, body and trailers', async () => {
    const { way, postern } = await startNodeScene({ onRequest });
    const answer = await ask(await nodeClient(way), { ':path': '/' });
    const masked = `Bearer ${'*'.repeat(SECRET.length)}`;
    expect(answer.fields['x-echo']).toBe(masked);
    expect(answer.body.toString()).toBe(`it was ${masked}, wasn't it? `);
    expect(answer.trailers?.['x-token']).toBe(masked);
    expect(await postern.audited({ protocol: 'h2' })).toMatchObject({ scrubbed: 3 });
  });

  it('has a coded body decoded and masked', async () => {
    const { way } = await startNodeScene({
      onRequest: ({ stream, fields }) => {
        stream.respond({ ':status': 200, 'content-encoding': 'gzip' });
        stream.end(gzipSync(`${'a'.repeat(100_000)}${fields.authorization}`));
      },
    });
    const answer = await ask(await nodeClient(way), { ':path': '/', 'accept-encoding': 'gzip, zstd-x' });
    expect(answer.fields['content-encoding']).toBeUndefined();
    expect(answer.body.toString()).toBe(`${'a'.repeat(100_000)}Bearer ${'*'.repeat(SECRET.length)}`);
  });

  const TOKEN = 'PSTRN-HTTP2-000001';

  it.each([
    ['with its length', true],
    ['without', false],
  ])('has placeholders of its body swapped, %s', async (_how, isDeclared) => {
    const rules = `  - name: swap
    hosts: [origin.test]
    ports: [PORT]
    paths: ["/form"]
    scrub: false
    inject: [{ placeholder: { token: ${TOKEN}, value: "\${token}", in: ["body:key"] } }]`;
    const { way } = await startNodeScene({ onRequest }, { rules });
    const body = `key=${TOKEN}&more=1`;
    const headers = { ':method': 'POST', ':path': '/form', 'content-type': 'application/x-www-form-urlencoded' };
    const length = isDeclared ? { 'content-length': body.length } : {};
    const answer = await ask(await nodeClient(way), { ...headers, ...length }, { body });
    expect(answer).toMatchObject({ status: 200 });
    expect(answer.fields['x-body']).toBe(`key=${SECRET}&more=1`);
  });

  it.each([
    ['h2', '2 postern'],
    ['http/1.1', '1.1 postern'],
  ])('is told from others in Via, where the rule asks for that: %s', async (protocol, via) => {
    const { way, origin } = await startNodeScene(
      {
        allowHTTP1: true,
        onRequest: ({ stream, fields }) => {
          stream.respond({ ':status': 200 });
          stream.end(String(fields.via));
        },
      },
      { rule: 'via: true' },
    );
    origin.server.on('request', (request, response) => {
      if (request.httpVersion === '1.1') response.end(String(request.headers.via));
    });
    if (protocol === 'h2') {
      expect((await ask(await nodeClient(way), { ':path': '/' })).body.toString()).toBe(via);
      return;
    }
    expect(await askOverH1(await way.open(['http/1.1']), way.authority)).toContain(via);
  });

  it('with a misplaced placeholder is refused', async () => {
    const rules = `  - name: swap
    hosts: [origin.test]
    ports: [PORT]
    paths: ["/form"]
    inject: [{ placeholder: { token: ${TOKEN}, value: "\${token}", in: ["body:key"] } }]`;
    const { way } = await startNodeScene({ onRequest }, { rules });
    const answer = await ask(await nodeClient(way), { ':path': '/', 'x-any': TOKEN });
    expect(answer).toMatchObject({ status: 403, fields: { 'x-postern-error': 'PLACEHOLDER_MISUSE' } });
  });

  it('meets the limits of its rule: requests, and the bytes of a body without a length', async () => {
    const { way } = await startNodeScene({ onRequest }, { rule: 'limits: { requests: 2/min, body: 1KiB }' });
    const client = await nodeClient(way);
    const body = Buffer.alloc(5_000, 'x');
    const large = await ask(client, { ':method': 'POST', ':path': '/' }, { body });
    expect(large).toMatchObject({ status: 413, fields: { 'x-postern-error': 'BODY_TOO_LARGE' } });
    expect((await ask(client, { ':path': '/' })).status).toBe(200);
    const third = await ask(client, { ':path': '/' });
    expect(third).toMatchObject({ status: 429, fields: { 'x-postern-error': 'RATE_LIMITED' } });
    expect(third.fields['retry-after']).toBeDefined();
  });

  it('meets conditions and edits like any request: methods, paths, joined cookies, stripped fields', async () => {
    const rules = `  - name: cookies
    hosts: [origin.test]
    ports: [PORT]
    paths: ["/c"]
    methods: [GET]
    headers: { cookie: "a=1; b=2" }
    strip: [x-gone]
  - { name: no, hosts: [origin.test], ports: [PORT], paths: ["/c"], action: deny }`;
    const { way } = await startNodeScene(
      {
        onRequest: ({ stream, fields }) => {
          stream.respond({ ':status': 200 });
          stream.end(JSON.stringify({ cookie: fields.cookie, gone: fields['x-gone'] }));
        },
      },
      { rules },
    );
    const client = await nodeClient(way);
    const headers = { ':path': '/c', cookie: ['a=1', 'b=2'], 'x-gone': 'x' };
    expect(JSON.parse((await ask(client, headers)).body.toString())).toEqual({ cookie: 'a=1; b=2' });
    const denied = await ask(client, { ...headers, ':method': 'POST' }, { body: '' });
    expect(denied).toMatchObject({ status: 403, fields: { 'x-postern-error': 'RULE_DENIED' } });
    const error = JSON.parse(denied.body.toString());
    expect(error.error).toMatchObject({ code: 'RULE_DENIED', rule: expect.anything(), host: 'origin.test' });
  });
});
