import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { answering } from '../support/origin.ts';
import { connectTunnel } from '../support/raw-client.ts';
import { chunk, get, OK, post, REFUSED, statuses, untilNoneInFlight, usage } from '../support/rule-limits.ts';
import { type Scene, type SceneOptions, SECRET, startScene } from '../support/scene.ts';

closeOpened();

const limited = (limits: string, options: SceneOptions = {}): Promise<Scene> =>
  startScene({ rule: `limits: { ${limits} }`, ...options });

/** An origin that answers every request. */
const ANSWERING: SceneOptions = { origin: { onConnection: answering(OK) } };

describe('limits.concurrency', () => {
  it('refuses one more than may be in flight, and takes it once one has ended', async () => {
    const { postern, origin, authority, tunnel } = await limited('concurrency: 2');
    const held = [await tunnel(), await tunnel()];
    for (const client of held) client.send(get(authority));
    const connections = [await origin.next(), await origin.next()];
    for (const connection of connections) await connection.until(/\r\n\r\n$/);
    const other = await tunnel();
    other.send(get(authority));
    const answer = await other.take(REFUSED);
    expect(answer).toMatch(/^HTTP\/1\.1 429 RATE_LIMITED\r\n/);
    expect(answer).toMatch(/^Retry-After: 1\r$/m);
    expect(answer).toMatch(/^RateLimit-Policy: "concurrency";q=2;qu="concurrent-requests"\r$/m);
    expect(answer).toMatch(/^RateLimit: "concurrency";r=0\r$/m);
    expect(await usage(postern)).toEqual({ rule: 'all', concurrency: { limit: 2 }, in_flight: 2 });
    connections[0]?.socket.write(OK);
    connections[1]?.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    for (const client of held) await client.take(/ok$/);
    await untilNoneInFlight(postern);
    other.send(get(authority));
    const next = connections.map((connection) => connection.until(/\r\n\r\n[\s\S]*\r\n\r\n$/));
    await Promise.any(next);
    for (const each of next) each.catch(() => {});
  });

  it.each<[string, (scene: Scene) => Promise<void>]>([
    [
      'the client leaves while it waits',
      async ({ origin, authority, tunnel }) => {
        const client = await tunnel();
        client.send(get(authority));
        await (await origin.next()).until(/\r\n\r\n$/);
        client.socket.destroy();
      },
    ],
    [
      'the client leaves in the middle of its body',
      async ({ origin, authority, tunnel }) => {
        const client = await tunnel();
        client.send(post(authority, 'Content-Length: 10', 'abc'));
        await (await origin.next()).until(/abc$/);
        client.socket.destroy();
      },
    ],
    [
      'the origin closes without an answer',
      async ({ origin, authority, tunnel }) => {
        const client = await tunnel();
        client.send(post(authority, 'Content-Length: 0'));
        const connection = await origin.next();
        await connection.until(/\r\n\r\n$/);
        connection.socket.destroy();
        await client.take(/^HTTP\/1\.1 502 /);
      },
    ],
    [
      'the origin answers nonsense',
      async ({ origin, authority, tunnel }) => {
        const client = await tunnel();
        client.send(get(authority));
        (await origin.next()).socket.write('nonsense\r\n\r\n');
        await client.take(/^HTTP\/1\.1 502 RESPONSE_INVALID/);
      },
    ],
    [
      'the origin breaks off its answer',
      async ({ origin, authority, tunnel }) => {
        const client = await tunnel();
        client.send(get(authority));
        const connection = await origin.next();
        connection.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab');
        await client.until(/ab$/);
        connection.socket.destroy();
        await client.untilEnded();
      },
    ],
    [
      'the origin is too slow',
      async ({ authority, tunnel }) => {
        const client = await tunnel();
        client.send(get(authority));
        await client.take(/^HTTP\/1\.1 504 HEAD_TIMEOUT/);
      },
    ],
    [
      'the secret cannot be had',
      async ({ postern, authority, tunnel }) => {
        const client = await tunnel();
        postern.write('secret.txt', '');
        await fetch(`${postern.adminUrl}/v1/reload`, { method: 'POST' });
        client.send(get(authority));
        await client.take(/^HTTP\/1\.1 503 SECRET_UNAVAILABLE/);
      },
    ],
    [
      'the answer ends before the request body does',
      async ({ origin, authority, tunnel }) => {
        const client = await tunnel();
        client.send(post(authority, 'Content-Length: 10', 'abc'));
        (await origin.next()).socket.write(OK);
        await client.untilEnded();
      },
    ],
    [
      'a reload denies it',
      async ({ postern, origin, authority, tunnel }) => {
        const client = await tunnel();
        client.send(get(authority));
        await (await origin.next()).until(/\r\n\r\n$/);
        const rules = `  - { name: all, hosts: [origin.test], ports: [${origin.port}], methods: [PUT], limits: { concurrency: 1 } }\n`;
        postern.write('policies/test.yaml', `version: 1\nrules:\n${rules}`);
        await client.take(/^HTTP\/1\.1 403 METHOD_DENIED/);
      },
    ],
  ])('is given back when %s', async (_, failing) => {
    const scene = await limited('concurrency: 1', {
      rule: 'limits: { concurrency: 1 }\n    response_head: 1s',
    });
    await failing(scene);
    await untilNoneInFlight(scene.postern);
    expect(scene.postern.audit.filter(({ code }) => code === 'RATE_LIMITED')).toEqual([]);
  });

  it('is given back when no connection can be made', async () => {
    const scene = await limited('concurrency: 1', ANSWERING);
    const { postern } = scene;
    const policy =
      'version: 1\nrules:\n  - { name: all, hosts: [origin.test], ports: [1], limits: { concurrency: 1 } }\n';
    postern.write('policies/test.yaml', policy);
    await fetch(`${postern.adminUrl}/v1/reload`, { method: 'POST' });
    const client = await connectTunnel(postern.proxyPort, 'origin.test:1');
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    for (let round = 0; round < 3; round++) {
      client.send(get('origin.test:1'));
      await client.take(/^HTTP\/1\.1 502 CONNECT_FAILED\r\n[\s\S]*\}\}\n/);
    }
    expect(await usage(postern)).toMatchObject({ in_flight: 0 });
  });
});

describe('limits.body', () => {
  it('refuses a body that declares more before anything is dialled, with and without Expect', async () => {
    const { postern, origin, authority, tunnel } = await limited('body: 1KiB');
    for (const expected of ['', '\r\nExpect: 100-continue']) {
      const client = await tunnel();
      client.send(post(authority, `Content-Length: 1025${expected}`));
      const answer = await client.take(REFUSED);
      expect(answer).toMatch(/^HTTP\/1\.1 413 BODY_TOO_LARGE\r\n/);
      expect(answer).toContain('the request body is larger than limits.body of the rule (1KiB)');
      await client.untilEnded();
    }
    expect(origin.connections).toHaveLength(0);
    const metrics = await (await fetch(`${postern.adminUrl}/metrics`)).text();
    expect(metrics).toContain('postern_limited_total{sandbox="default",rule="all",limit="body"} 2\n');
    expect(await usage(postern)).toBeUndefined();
  });

  it('takes a body that is exactly as large, declared or in chunks', async () => {
    const { origin, authority, tunnel } = await limited('body: 1KiB');
    const client = await tunnel();
    client.send(post(authority, 'Content-Length: 1024', 'x'.repeat(1024)));
    const connection = await origin.next();
    await connection.until(/x{1024}$/);
    connection.socket.write(OK);
    await client.take(/ok$/);
    client.send(post(authority, 'Transfer-Encoding: chunked', `${chunk(1_000)}${chunk(24)}0\r\n\r\n`));
    await connection.until(/0\r\n\r\n$/);
    connection.socket.write(OK);
    await client.take(/ok$/);
  });

  it('cuts chunks that become more: 413, and the origin never sees the end of the message', async () => {
    const { postern, origin, authority, tunnel } = await limited('body: 1KiB');
    const client = await tunnel();
    client.send(post(authority, 'Transfer-Encoding: chunked', chunk(1_000)));
    const connection = await origin.next();
    await connection.until(/x{1000}\r\n$/);
    client.send(`${chunk(25)}0\r\n\r\n`);
    expect(await client.take(REFUSED)).toMatch(/^HTTP\/1\.1 413 BODY_TOO_LARGE\r\n/);
    await connection.untilEnded();
    expect(connection.received).toMatch(/x{1000}\r\n$/);
    expect(await postern.audited({ code: 'BODY_TOO_LARGE' })).toMatchObject({ status: 413, bytes_out: 1_000 });
  });

  it('cuts the answer too, where it had begun', async () => {
    const { postern, origin, authority, tunnel } = await limited('body: 1KiB');
    const client = await tunnel();
    client.send(post(authority, 'Transfer-Encoding: chunked', chunk(1_000)));
    const connection = await origin.next();
    await connection.until(/x{1000}\r\n$/);
    connection.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart');
    await client.until(/part$/);
    client.send(`${chunk(25)}0\r\n\r\n`);
    expect(await client.untilEnded()).toMatch(/part$/);
    await connection.untilEnded();
    expect(connection.received).toMatch(/x{1000}\r\n$/);
    expect(await postern.audited({ code: 'BODY_TOO_LARGE' })).toMatchObject({ status: 200 });
  });

  it('is about what the client sends, not about what placeholders in it become', async () => {
    const { postern, origin, authority, tunnel } = await startScene();
    const token = 'PSTRN-TEST-0001';
    const policy = `version: 1
secrets: { token: { file: ../secret.txt } }
rules:
  - name: all
    hosts: [origin.test]
    ports: [${origin.port}]
    methods: [POST]
    inject: [ { placeholder: { token: ${token}, value: "\${token}", in: [body] } } ]
    limits: { body: 1KiB }
`;
    postern.write('policies/test.yaml', policy);
    await fetch(`${postern.adminUrl}/v1/reload`, { method: 'POST' });
    const text = token.padStart(1_024, 'x');
    for (const [framing, body, end] of [
      ['Content-Length: 1024', text, SECRET],
      ['Transfer-Encoding: chunked', `400\r\n${text}\r\n0\r\n\r\n`, '\r\n0\r\n\r\n'],
    ] as const) {
      const client = await tunnel();
      client.send(post(authority, framing, body));
      const connection = await origin.next();
      await connection.until(new RegExp(`${end}$`));
      expect(connection.received).toContain(SECRET);
      client.socket.destroy();
      connection.socket.destroy();
    }
    const client = await tunnel();
    client.send(post(authority, 'Transfer-Encoding: chunked', `401\r\nx${text}\r\n0\r\n\r\n`));
    expect(await client.take(REFUSED)).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('of 0B is no body at all', async () => {
    const { authority, tunnel } = await limited('body: 0B', ANSWERING);
    const client = await tunnel();
    expect(await statuses(client, get(authority), 1)).toEqual(['200']);
    expect(await statuses(client, post(authority, 'Content-Length: 0'), 1)).toEqual(['200']);
    client.send(post(authority, 'Content-Length: 1', 'x'));
    expect(await client.take(REFUSED)).toMatch(/^HTTP\/1\.1 413 /);
  });
});
