import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { h2Request, secureTunnel } from '../support/h2-client.ts';
import type { H2Handler } from '../support/h2-origin.ts';
import { startH2Scene } from '../support/h2-scene.ts';
import { SECRET } from '../support/scene.ts';

closeOpened();

/** Says back what it was asked, as an origin that leaks does. */
const echo: H2Handler = (stream, headers) => {
  const parts: Buffer[] = [];
  stream.on('data', (part: Buffer) => parts.push(part));
  stream.on('end', () => {
    if (stream.destroyed) return;
    const trailers = { 'x-token': String(headers.authorization) };
    stream.respond(
      { ':status': 200, 'x-echo': headers.authorization, 'x-body': Buffer.concat(parts).toString() },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.end(`it was ${headers.authorization}, wasn't it? ${Buffer.concat(parts)}`);
  });
};

describe('a stream of HTTP/2', () => {
  it('has the secret masked in fields, body and trailers', async () => {
    const { session, postern } = await startH2Scene({ handler: echo });
    const answer = await h2Request(await session(), { ':path': '/' });
    const masked = `Bearer ${'*'.repeat(SECRET.length)}`;
    expect(answer.headers['x-echo']).toBe(masked);
    expect(answer.body.toString()).toBe(`it was ${masked}, wasn't it? `);
    expect(answer.trailers?.['x-token']).toBe(masked);
    expect(await postern.audited({ protocol: 'h2' })).toMatchObject({ scrubbed: 3 });
  });

  it('has a coded body decoded and masked', async () => {
    const { session } = await startH2Scene({
      handler: (stream, headers) => {
        stream.respond({ ':status': 200, 'content-encoding': 'gzip' });
        stream.end(gzipSync(`${'a'.repeat(100_000)}${headers.authorization}`));
      },
    });
    const answer = await h2Request(await session(), { ':path': '/', 'accept-encoding': 'gzip, zstd-x' });
    expect(answer.headers['content-encoding']).toBeUndefined();
    expect(answer.body.toString()).toBe(`${'a'.repeat(100_000)}Bearer ${'*'.repeat(SECRET.length)}`);
  });

  const TOKEN = 'PSTRN-HTTP2-000001';

  it.each([
    ['with its length', true],
    ['without', false],
  ])('has placeholders of its body swapped, %s', async (_how, isDeclared) => {
    const { session } = await startH2Scene({
      handler: echo,
      rules: `  - name: swap
    hosts: [origin.test]
    ports: [PORT]
    paths: ["/form"]
    scrub: false
    inject: [{ placeholder: { token: ${TOKEN}, value: "\${token}", in: ["body:key"] } }]`,
    });
    const body = `key=${TOKEN}&more=1`;
    const headers = { ':method': 'POST', ':path': '/form', 'content-type': 'application/x-www-form-urlencoded' };
    const length = isDeclared ? { 'content-length': body.length } : {};
    const answer = await h2Request(await session(), { ...headers, ...length }, body);
    expect(answer).toMatchObject({ status: 200 });
    expect(answer.headers['x-body']).toBe(`key=${SECRET}&more=1`);
  });

  it.each([
    ['h2', '2 postern'],
    ['http/1.1', '1.1 postern'],
  ])('is told from others in Via, where the rule asks for that: %s', async (protocol, via) => {
    const { session, postern, authority, origin } = await startH2Scene({
      alpn: ['h2', 'http/1.1'],
      rule: 'via: true',
      handler: (stream, headers) => {
        stream.respond({ ':status': 200 });
        stream.end(String(headers.via));
      },
    });
    origin.server.on('request', (request, response) => {
      if (request.httpVersion === '1.1') response.end(String(request.headers.via));
    });
    if (protocol === 'h2') {
      expect((await h2Request(await session(), { ':path': '/' })).body.toString()).toBe(via);
      return;
    }
    const socket = await secureTunnel(postern.proxyPort, authority, postern.ca, ['http/1.1']);
    socket.write(`GET / HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`);
    let text = '';
    for await (const bytes of socket) text += bytes;
    expect(text).toContain(via);
  });

  it('with a misplaced placeholder is refused', async () => {
    const { session } = await startH2Scene({
      handler: echo,
      rules: `  - name: swap
    hosts: [origin.test]
    ports: [PORT]
    paths: ["/form"]
    inject: [{ placeholder: { token: ${TOKEN}, value: "\${token}", in: ["body:key"] } }]`,
    });
    const answer = await h2Request(await session(), { ':path': '/', 'x-any': TOKEN });
    expect(answer).toMatchObject({ status: 403, headers: { 'x-postern-error': 'PLACEHOLDER_MISUSE' } });
  });

  it('meets the limits of its rule: requests, and the bytes of a body without a length', async () => {
    const { session } = await startH2Scene({ handler: echo, rule: 'limits: { requests: 2/min, body: 1KiB }' });
    const client = await session();
    const large = await h2Request(client, { ':method': 'POST', ':path': '/' }, Buffer.alloc(5_000, 'x'));
    expect(large).toMatchObject({ status: 413, headers: { 'x-postern-error': 'BODY_TOO_LARGE' } });
    expect((await h2Request(client, { ':path': '/' })).status).toBe(200);
    const third = await h2Request(client, { ':path': '/' });
    expect(third).toMatchObject({ status: 429, headers: { 'x-postern-error': 'RATE_LIMITED' } });
    expect(third.headers['retry-after']).toBeDefined();
  });

  it('meets conditions and edits like any request: methods, paths, joined cookies, stripped fields', async () => {
    const { session } = await startH2Scene({
      handler: (stream, headers) => {
        stream.respond({ ':status': 200 });
        stream.end(JSON.stringify({ cookie: headers.cookie, gone: headers['x-gone'] }));
      },
      rules: `  - name: cookies
    hosts: [origin.test]
    ports: [PORT]
    paths: ["/c"]
    methods: [GET]
    headers: { cookie: "a=1; b=2" }
    strip: [x-gone]
  - { name: no, hosts: [origin.test], ports: [PORT], paths: ["/c"], action: deny }`,
    });
    const client = await session();
    const headers = { ':path': '/c', cookie: ['a=1', 'b=2'], 'x-gone': 'x' };
    expect(JSON.parse((await h2Request(client, headers)).body.toString())).toEqual({ cookie: 'a=1; b=2' });
    const denied = await h2Request(client, { ...headers, ':method': 'POST' }, '');
    expect(denied).toMatchObject({ status: 403, headers: { 'x-postern-error': 'RULE_DENIED' } });
    const error = JSON.parse(denied.body.toString());
    expect(error.error).toMatchObject({ code: 'RULE_DENIED', rule: expect.anything(), host: 'origin.test' });
  });
});
