import {
  brotliCompressSync,
  constants,
  createGzip,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import type { OriginConnection } from '../support/origin.ts';
import type { RawClient } from '../support/raw-client.ts';
import { type Scene, SECRET, startScene } from '../support/scene.ts';

closeOpened();

const MASK = '*'.repeat(SECRET.length);
const base64 = (before: string): string => Buffer.from(`${before}${SECRET} and more`).toString('base64');

/** The secret as a host may write it, with what nobody may read of it. */
const FORMS: readonly (readonly [form: string, text: string])[] = [
  ['as it is', SECRET],
  ['twice', `${SECRET}${SECRET}`],
  ['in base64, at the first of three places', base64('')],
  ['in base64, at the second', base64('x')],
  ['in base64, at the third', base64('xy')],
  ['in base64 for URLs', Buffer.from(`??>${SECRET}>>>`).toString('base64url')],
  ['as Basic credentials', `Basic ${Buffer.from(`user:${SECRET}`).toString('base64')}`],
  ['percent-encoded', encodeURIComponent(SECRET).replaceAll('-', '%2D')],
  ['percent-encoded whole, in lower case', [...SECRET].map((char) => `%${char.charCodeAt(0).toString(16)}`).join('')],
  [
    'in JSON with every character escaped',
    [...SECRET].map((char) => `\\u00${char.charCodeAt(0).toString(16)}`).join(''),
  ],
  ['in hex', Buffer.from(SECRET).toString('hex')],
  ['in hex, upper case', Buffer.from(SECRET).toString('hex').toUpperCase()],
];

/** Whether any part of eight characters of the secret can be read in a text, however it is coded there. */
function isReadable(text: string): boolean {
  const decoded = [
    text,
    text.replace(/%([0-9a-f]{2})/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    text.replace(/\\u00([0-9a-f]{2})/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    ...[0, 1, 2, 3].map((start) =>
      Buffer.from(text.replace(/^.*(: |Basic )/s, '').slice(start), 'base64').toString('latin1'),
    ),
    ...[0, 1].map((start) => Buffer.from(text.slice(start), 'hex').toString('latin1')),
  ];
  return decoded.some((each) => each.includes(SECRET));
}

const get = (authority: string, path: string, ...fields: readonly string[]): string =>
  [`GET ${path} HTTP/1.1`, `Host: ${authority}`, ...fields, '', ''].join('\r\n');

/** One request whose answer the test writes by hand. */
async function ask(scene: Scene, ...fields: readonly string[]): Promise<readonly [RawClient, OriginConnection]> {
  const client = await scene.tunnel();
  client.send(get(scene.authority, '/', ...fields));
  const upstream = await scene.origin.next();
  await upstream.until(/\r\n\r\n$/);
  return [client, upstream];
}

const withLength = (body: string | Buffer, ...fields: readonly string[]): Buffer =>
  Buffer.concat([
    Buffer.from([`HTTP/1.1 200 OK`, ...fields, `Content-Length: ${Buffer.byteLength(body)}`, '', ''].join('\r\n')),
    Buffer.from(body),
  ]);

describe('a host that echoes the credential', () => {
  it('shows it in no form, in no place, however it is split', async () => {
    const scene = await startScene();
    let secrets = 0;
    for (const [form, text] of FORMS) {
      expect(isReadable(text), form).toBe(true);
      const body = `before ${text} after`;
      const chunks = (size: number): string =>
        body.replace(new RegExp(`.{1,${size}}`, 'gs'), (part) => `${part.length.toString(16)}\r\n${part}\r\n`);
      const framed = [
        withLength(body, 'Connection: close').toString(),
        ...[1, 3, 1000].map(
          (size) =>
            `HTTP/1.1 500 Oops\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${chunks(size)}0\r\n\r\n`,
        ),
      ];
      for (const answer of framed) {
        const [client, upstream] = await ask(scene);
        for (const part of answer.match(/.{1,40}/gs) ?? []) upstream.socket.write(part);
        await client.until(answer.startsWith('HTTP/1.1 200') ? / after$/ : /\r\n0\r\n\r\n$/);
        const read = client.received.replace(/\r\n[0-9a-f]+\r\n/g, '');
        expect(isReadable(read), form).toBe(false);
        expect(read).toMatch(/before .* after/s);
        client.socket.destroy();
        secrets++;
      }
    }
    expect(secrets).toBe(FORMS.length * 4);
  });

  it('keeps its length and framing, and is counted', async () => {
    const scene = await startScene();
    const [client, upstream] = await ask(scene);
    upstream.socket.write(withLength(`{"token":"${SECRET}"}`, 'Content-Type: application/json'));
    await client.until(/\}$/);
    expect(client.received).toBe(withLength(`{"token":"${MASK}"}`, 'Content-Type: application/json').toString());
    expect(await scene.postern.audited({ host: 'origin.test' })).toMatchObject({ scrubbed: 1, injected: ['token'] });
    const metrics = await (await fetch(`${scene.postern.adminUrl}/metrics`)).text();
    expect(metrics).toContain('postern_scrubbed_total{sandbox="default",rule="all"} 1');
  });

  it('shows it in no status text, field, interim answer or trailer', async () => {
    const scene = await startScene();
    const [client, upstream] = await ask(scene);
    upstream.socket.write(`HTTP/1.1 103 Early ${SECRET}\r\nLink: </${SECRET}>\r\n\r\n`);
    upstream.socket.write(
      `HTTP/1.1 302 Found ${SECRET}\r\nLocation: https://evil.test/?t=${SECRET}\r\nSet-Cookie: a=${SECRET}; HttpOnly\r\nX-${SECRET}: 1\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n`,
    );
    upstream.socket.write(`0\r\nX-Sum: ${SECRET}\r\n\r\n`);
    await client.until(/X-Sum: \*+\r\n\r\n$/);
    expect(client.received).not.toContain('real-secret');
    expect(client.received).toContain(
      `HTTP/1.1 103 Early ${MASK}\r\nLink: </${MASK}>\r\n\r\nHTTP/1.1 302 Found ${MASK}\r\n`,
    );
    expect(client.received).toContain(`\r\nSet-Cookie: a=${MASK}; HttpOnly\r\nX-${MASK}: 1\r\n`);
    expect(await scene.postern.audited({ status: 302 })).toMatchObject({ scrubbed: 7 });
  });

  it.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', brotliCompressSync],
    ['zstd', zstdCompressSync],
  ])('shows it in no compressed body: %s', async (coding, compress) => {
    const scene = await startScene();
    const text = `${'x'.repeat(100_000)}${SECRET}${'y'.repeat(100_000)}`;
    const fields = [`Content-Encoding: ${coding}`, 'ETag: "v1"', 'Content-MD5: abc', 'Vary: Accept-Encoding'];
    const [client, upstream] = await ask(scene, 'Accept-Encoding: gzip, deflate, br;q=0.8, zstd, dcb, *;q=0.1');
    expect(upstream.received).toContain('\r\nAccept-Encoding: gzip, deflate, br;q=0.8, zstd\r\n');
    upstream.socket.write(withLength(compress(text), ...fields));
    await client.until(/\r\n0\r\n\r\n$/);
    const [head = '', chunks = ''] = client.received.split(/\r\n\r\n(.*)/s);
    expect(head).toBe('HTTP/1.1 200 OK\r\nETag: W/"v1"\r\nVary: Accept-Encoding\r\nTransfer-Encoding: chunked');
    const body = chunks.replace(/(^|\r\n)[0-9a-f]+\r\n/g, '').replaceAll('\r\n', '');
    expect(body).toBe(text.replace(SECRET, MASK));
  });

  it('cannot hide it in a coding that is not read, or in a coded part', async () => {
    const scene = await startScene();
    for (const answer of [
      withLength('xxxx', 'Content-Encoding: compress'),
      withLength('xxxx', 'Content-Encoding: gzip, br'),
      withLength('xxxx', 'Content-Encoding: gzip', 'Content-Encoding: gzip'),
      Buffer.from(withLength('xxxx', 'Content-Encoding: gzip').toString().replace('200 OK', '206 Partial')),
      withLength('no gzip at all', 'Content-Encoding: gzip'),
    ]) {
      const [client, upstream] = await ask(scene);
      upstream.socket.write(answer);
      await upstream.untilEnded();
      await client.until(/"code":"RESPONSE_INVALID"|chunked\r\n\r\n$/);
      expect(client.received).not.toMatch(/xxxx|no gzip/);
      client.socket.destroy();
    }
    await scene.postern.until(() => (scene.postern.audit.length === 5 ? true : undefined));
    for (const line of scene.postern.audit) expect(line).toMatchObject({ code: 'RESPONSE_INVALID' });
  });

  it('cannot exhaust the proxy with a body that grows without end', async () => {
    const scene = await startScene();
    const [client, upstream] = await ask(scene);
    const bomb = brotliCompressSync(Buffer.alloc(64 * 1024 * 1024), {
      params: { [constants.BROTLI_PARAM_QUALITY]: 4 },
    });
    expect(bomb.length).toBeLessThan(10_000);
    upstream.socket.write(withLength(bomb, 'Content-Encoding: br'));
    client.socket.on('data', () => {
      client.received = client.received.slice(-10);
    });
    await client.untilEnded();
    expect(await scene.postern.audited({ code: 'RESPONSE_INVALID' })).toMatchObject({ status: 200 });
  });

  it.each([
    ['in the middle of it, at the beginning', SECRET.slice(5), 'bytes 5-30/30'],
    ['in the middle of it, at the end', `xx ${SECRET.slice(0, 9)}`, 'bytes 0-11/30'],
    ['twice in it', SECRET.slice(4, 15), 'bytes 4-14/30'],
  ])('shows no piece of eight bytes where the client cuts an answer %s', async (_where, piece, range) => {
    const scene = await startScene();
    const [client, upstream] = await ask(scene, 'Range: bytes=1-9', 'Accept-Encoding: gzip');
    expect(upstream.received).toContain('\r\nAccept-Encoding: identity\r\n');
    upstream.socket.write(
      withLength(piece, `Content-Range: ${range}`).toString().replace('200 OK', '206 Partial Content'),
    );
    await client.until(/\*{8,}$/);
    expect(client.received).toContain(`\r\nContent-Length: ${piece.length}\r\n`);
    for (let start = 0; start + 8 <= piece.length; start++)
      if (SECRET.includes(piece.slice(start, start + 8)))
        expect(client.received).not.toContain(piece.slice(start, start + 8));
  });

  it('is never asked for several parts at once, and refused where it sends them', async () => {
    const scene = await startScene();
    const [client, upstream] = await ask(scene, 'Range: bytes=0-3, 4-30', 'If-Range: "v1"');
    expect(upstream.received).not.toMatch(/\r\nRange:/);
    const type = 'Content-Type: multipart/byteranges; boundary=b';
    upstream.socket.write(withLength(SECRET, type).toString().replace('200 OK', '206 Partial Content'));
    await client.until(/"code":"RESPONSE_INVALID"/);
  });

  it('does not delay events: only what could begin a secret waits', async () => {
    const scene = await startScene();
    const [client, upstream] = await ask(scene, 'Accept: text/event-stream');
    upstream.socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
    for (const event of ['data: 1\n\n', `data: ${SECRET.slice(0, 5)}\n\n`, 'data: real\n\n']) {
      upstream.socket.write(`${event.length.toString(16)}\r\n${event}\r\n`);
      await client.until(new RegExp(`${event}\r\n$`));
    }
    upstream.socket.write(`6\r\nx real\r\n`);
    await client.until(/\r\nx \r\n$/);
    upstream.socket.write(`1\r\n.\r\n`);
    await client.until(/\r\nreal\.\r\n$/);
  });

  it('sends events that are compressed on as they come', async () => {
    const scene = await startScene();
    const [client, upstream] = await ask(scene);
    const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH });
    upstream.socket.write('HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n');
    gzip.on('data', (bytes: Buffer) => {
      upstream.socket.write(`${bytes.length.toString(16)}\r\n`);
      upstream.socket.write(bytes);
      upstream.socket.write('\r\n');
    });
    for (const event of ['data: one\n\n', `data: ${SECRET}\n\n`]) {
      gzip.write(event);
      await client.until(new RegExp(`${event.replace(SECRET, '[*]{22}')}\r\n$`));
    }
  });

  it('has its answers to HEAD described as those to GET', async () => {
    const scene = await startScene();
    const client = await scene.tunnel();
    client.send(get(scene.authority, '/').replace('GET', 'HEAD'));
    const upstream = await scene.origin.next();
    await upstream.until(/\r\n\r\n$/);
    upstream.socket.write('HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 50\r\nX: y\r\n\r\n');
    await client.until(/\r\n\r\n$/);
    expect(client.received).toBe('HTTP/1.1 200 OK\r\nX: y\r\n\r\n');
  });

  it('shows it where the rule says that it may, and answers pass untouched', async () => {
    const scene = await startScene({ rule: 'scrub: false', clientsMaySee: true });
    const [client, upstream] = await ask(scene, 'Accept-Encoding: dcb');
    expect(upstream.received).toContain('\r\nAccept-Encoding: dcb\r\n');
    const answer = withLength(SECRET, 'Content-Encoding: dcb');
    upstream.socket.write(answer);
    await client.until(new RegExp(`${SECRET}$`));
    expect(client.received).toBe(answer.toString());
  });

  it('does not show it to a rule of the host that injects nothing', async () => {
    const rules = `  - name: public
    hosts: [origin.test]
    ports: [PORT]
    paths: ["/public"]
`;
    const scene = await startScene();
    const port = scene.authority.split(':')[1] ?? '';
    scene.postern.write(
      'policies/test.yaml',
      `version: 1\nsecrets: { token: { file: ../secret.txt } }\nrules:\n${rules.replace('PORT', port)}  - { name: all, hosts: [origin.test], ports: [${port}], inject: [ { bearer: "\${token}" } ] }\n`,
    );
    await scene.postern.logged(/"generation":2/);
    const client = await scene.tunnel();
    client.send(get(scene.authority, '/public'));
    const upstream = await scene.origin.next();
    await upstream.until(/\r\n\r\n$/);
    expect(upstream.received).not.toContain(SECRET);
    upstream.socket.write(withLength(`last request had ${SECRET}`));
    await client.until(/\*$/);
    expect(client.received).not.toContain(SECRET);
  });
});
