import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { type Scene, SECRET, startScene } from '../support/scene.ts';

closeOpened();

const TOKEN = 'PSTRN-BODY-00001';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

const rule = (surface: string, more = ''): string => `
  - name: swap
    hosts: [origin.test]
    ports: [PORT]
    inject: [ { placeholder: { token: ${TOKEN}, value: "\${token}", in: [${surface}]${more} } } ]
`;

/** A scene whose only rule is this one, on the port of its origin. */
async function sceneOf(surface: string, more = ''): Promise<Scene> {
  const scene = await startScene();
  const port = scene.authority.split(':')[1] ?? '';
  const text = `version: 1\nsecrets: { token: { file: ../secret.txt } }\nrules:${rule(surface, more)}`;
  scene.postern.write('policies/test.yaml', text.replace('PORT', port));
  await scene.postern.logged(/"generation":2/);
  return scene;
}

const post = (authority: string, body: string, ...fields: readonly string[]): string =>
  [`POST /x HTTP/1.1`, `Host: ${authority}`, ...fields, '', body].join('\r\n');

describe('a placeholder in a request body', () => {
  it('is swapped, and Content-Length is the new one', async () => {
    const { authority, origin, tunnel, postern } = await sceneOf('"body:key"');
    const client = await tunnel();
    const body = `{"a":1,"key":"${TOKEN}"}`;
    client.send(post(authority, body, 'Content-Type: application/json', `Content-Length: ${body.length}`));
    const upstream = await origin.next();
    const expected = `{"a":1,"key":"${SECRET}"}`;
    await upstream.until(/\}$/);
    expect(upstream.received).toContain(`\r\nContent-Length: ${expected.length}\r\n`);
    expect(upstream.received.split('\r\n\r\n')[1]).toBe(expected);
    expect(upstream.received).not.toMatch(/transfer-encoding/i);
    upstream.socket.write(OK);
    await client.until(/ok$/);
    expect(await postern.audited({ rule: 'swap' })).toMatchObject({ injected: ['token'], status: 200, code: null });
  });

  it('is swapped on its way in a long body, which leaves in chunks', async () => {
    const { authority, origin, tunnel } = await sceneOf('body');
    const client = await tunnel();
    const before = 'a'.repeat(300_000);
    const length = before.length + TOKEN.length + 1;
    client.send(post(authority, before + TOKEN.slice(0, 7), `Content-Length: ${length}`));
    const upstream = await origin.next();
    await upstream.until(/aaaa\r\n$/);
    client.send(`${TOKEN.slice(7)}.`);
    await upstream.until(/0\r\n\r\n$/);
    expect(upstream.received).toContain('\r\nTransfer-Encoding: chunked\r\n');
    expect(upstream.received).not.toMatch(/content-length/i);
    const chunks = upstream.received.slice(upstream.received.indexOf('\r\n\r\n') + 4);
    expect(chunks.replace(/(^|\r\n)[0-9a-f]+\r\n/g, '').replaceAll('\r\n', '')).toBe(`${before}${SECRET}.`);
    upstream.socket.write(OK);
    await client.until(/ok$/);
  });

  it('is swapped in chunks, and where the client waits for 100 (Continue)', async () => {
    const { authority, origin, tunnel } = await sceneOf('body');
    const client = await tunnel();
    client.send(post(authority, '', 'Expect: 100-continue', `Content-Length: ${TOKEN.length}`));
    const upstream = await origin.next();
    await upstream.until(/\r\n\r\n$/);
    expect(upstream.received).toContain('\r\nExpect: 100-continue\r\n');
    upstream.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    await client.take(/100 Continue\r\n\r\n/);
    client.send(TOKEN);
    await upstream.until(new RegExp(`${SECRET}\r\n0\r\n\r\n$`));
    upstream.socket.write(OK);
    await client.take(/ok$/);
    client.send(`${post(authority, '', 'Transfer-Encoding: chunked')}5\r\n${TOKEN.slice(0, 5)}\r\n`);
    client.send(`${(TOKEN.length - 5).toString(16)}\r\n${TOKEN.slice(5)}\r\n0\r\n\r\n`);
    await upstream.until(new RegExp(`chunked\r\n\r\n[0-9a-f]+\r\n${SECRET}\r\n0\r\n\r\n$`));
    upstream.socket.write(OK);
    await client.until(/ok$/);
  });

  it('in a body that cannot be read is 415, and the host sees nothing', async () => {
    const { authority, origin, tunnel, postern } = await sceneOf('body');
    const client = await tunnel();
    client.send(post(authority, 'xx', 'Content-Encoding: gzip', 'Content-Length: 2'));
    await client.until(/"code":"BODY_ENCODED"/);
    expect(client.received).toMatch(/^HTTP\/1\.1 415 /);
    await postern.audited({ code: 'BODY_ENCODED', status: 415 });
    expect(origin.connections).toHaveLength(0);
  });

  it('that is misplaced in a body that is held is told, and the host sees nothing', async () => {
    const { authority, origin, tunnel, postern } = await sceneOf('"body:key"');
    const client = await tunnel();
    const body = `{"other":"${TOKEN}"}`;
    client.send(post(authority, body, 'Content-Type: application/json', `Content-Length: ${body.length}`));
    await client.until(/"code":"PLACEHOLDER_MISUSE"/);
    await postern.audited({ code: 'PLACEHOLDER_MISUSE', status: 403 });
    expect(origin.connections).toHaveLength(0);
  });

  it('that is misplaced in a stream cuts it before the token is complete', async () => {
    const { authority, origin, tunnel, postern } = await sceneOf('path');
    const client = await tunnel();
    client.send(`${post(authority, '', 'Transfer-Encoding: chunked')}3\r\nabc\r\n`);
    const upstream = await origin.next();
    await upstream.until(/abc\r\n$/);
    client.send(`10\r\n${TOKEN}\r\n0\r\n\r\n`);
    await client.until(/"code":"PLACEHOLDER_MISUSE"/);
    await upstream.untilEnded();
    expect(upstream.received).toMatch(/\r\n\r\n3\r\nabc\r\n$/);
    expect(await postern.audited({ code: 'PLACEHOLDER_MISUSE' })).toMatchObject({ status: 403, decision: 'allow' });
  });

  it('whose client stops in the middle of a held body is IDLE_TIMEOUT', async () => {
    const scene = await sceneOf('body');
    scene.postern.write(
      'policies/test.yaml',
      `version: 1\nsecrets: { token: { file: ../secret.txt } }\nrules:${rule('body')}    idle: 1s\n`.replace(
        'PORT',
        scene.authority.split(':')[1] ?? '',
      ),
    );
    await scene.postern.logged(/"generation":3/);
    const client = await scene.tunnel();
    client.send(post(scene.authority, 'ab', 'Content-Length: 5'));
    await client.until(/"code":"IDLE_TIMEOUT"/);
    expect(scene.origin.connections).toHaveLength(0);
  });
});
