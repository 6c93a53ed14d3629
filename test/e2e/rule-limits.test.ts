import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { isInstalled, runCommand } from '../support/command.ts';
import { answering } from '../support/origin.ts';
import type { Postern } from '../support/postern.ts';
import type { RawClient } from '../support/raw-client.ts';
import { type Scene, type SceneOptions, startScene } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const get = (authority: string, fields = ''): string => `GET / HTTP/1.1\r\nHost: ${authority}\r\n${fields}\r\n`;
const post = (authority: string, framing: string, body = ''): string =>
  `POST / HTTP/1.1\r\nHost: ${authority}\r\n${framing}\r\n\r\n${body}`;
const chunk = (bytes: number): string => `${bytes.toString(16)}\r\n${'x'.repeat(bytes)}\r\n`;

const REFUSED = /^HTTP\/1\.1 (?:429 RATE_LIMITED|413 BODY_TOO_LARGE)\r\n[\s\S]*\}\}\n/;

const limited = (limits: string, options: SceneOptions = {}): Promise<Scene> =>
  startScene({ rule: `limits: { ${limits} }`, ...options });

/** An origin that answers every request. */
const ANSWERING: SceneOptions = { origin: { onConnection: answering(OK) } };

const fieldOf = (answer: string, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)\r$`, 'mi').exec(answer)?.[1];

interface Usage {
  readonly in_flight: number;
}

/** What `/v1/status` says of the rule with limits. */
async function usage(postern: Postern): Promise<Usage | undefined> {
  const response = await fetch(`${postern.adminUrl}/v1/status`);
  const { sandboxes } = (await response.json()) as {
    readonly sandboxes: readonly { readonly limits: readonly Usage[] }[];
  };
  return sandboxes[0]?.limits[0];
}

/** Waits until nothing of the rule is in flight. */
async function untilNoneInFlight(postern: Postern): Promise<void> {
  while ((await usage(postern))?.in_flight !== 0) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** One request after another on one connection: the status lines of the answers. */
async function statuses(client: RawClient, request: string, count: number): Promise<readonly string[]> {
  const found: string[] = [];
  for (let index = 0; index < count; index++) {
    client.send(request);
    const answer = await client.take(/^HTTP\/1\.1 (?:200 OK\r\n[\s\S]*?ok|429 [\s\S]*?\}\}\n)/);
    found.push(answer.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length));
  }
  return found;
}

describe('limits.requests', () => {
  it('lets its number pass, then answers 429 with what a client needs to know, before anything is dialled', async () => {
    const { postern, origin, authority, tunnel } = await limited('requests: 3/h', ANSWERING);
    const client = await tunnel();
    expect(await statuses(client, get(authority), 3)).toEqual(['200', '200', '200']);
    origin.connections[0]?.socket.destroy();
    client.send(get(authority));
    const answer = await client.take(REFUSED);
    expect(answer).toMatch(/^HTTP\/1\.1 429 RATE_LIMITED\r\n/);
    const retryAfter = Number(fieldOf(answer, 'Retry-After'));
    expect(retryAfter).toBeGreaterThan(1_190);
    expect(retryAfter).toBeLessThanOrEqual(1_200);
    expect(fieldOf(answer, 'RateLimit-Policy')).toBe('"requests";q=3;w=3600');
    expect(fieldOf(answer, 'RateLimit')).toBe(`"requests";r=0;t=${retryAfter}`);
    expect(JSON.parse(answer.slice(answer.indexOf('{'))).error).toMatchObject({
      code: 'RATE_LIMITED',
      message: 'limits.requests of the rule (3/h) is used up',
      rule: 'all',
    });
    expect(origin.connections).toHaveLength(1);
    expect(await postern.audited({ code: 'RATE_LIMITED' })).toMatchObject({
      decision: 'allow',
      status: 429,
      rule: 'all',
      address: null,
      reason: 'limits.requests of the rule (3/h) is used up',
    });
    const metrics = await (await fetch(`${postern.adminUrl}/metrics`)).text();
    expect(metrics).toContain('postern_limited_total{sandbox="default",rule="all",limit="requests"} 1\n');
    expect(await usage(postern)).toEqual({
      rule: 'all',
      requests: { limit: 3, window_seconds: 3_600, used: 3, available: 0 },
      in_flight: 0,
    });
  });

  it('lets a client that waits as long as it is told pass again: one of ours, and curl', async (context) => {
    // Thirty at once, and one more every two seconds: long against what thirty take.
    const { postern, authority, tunnel } = await limited('requests: 30/min', ANSWERING);
    const client = await tunnel();
    expect(new Set(await statuses(client, get(authority), 30))).toEqual(new Set(['200']));
    client.send(get(authority));
    const retryAfter = Number(fieldOf(await client.take(REFUSED), 'Retry-After'));
    expect(retryAfter).toBe(2);
    // Time is what this test is about.
    await new Promise((resolve) => setTimeout(resolve, retryAfter * 1_000));
    expect(await statuses(client, get(authority), 1)).toEqual(['200']);
    if (!isInstalled('curl')) context.skip('curl is not installed');
    const args = ['-sS', '-f', '-x', postern.proxyUrl, '--cacert', postern.caPath, '--retry', '1'];
    const result = await runCommand('curl', [...args, `https://${authority}/`]);
    expect([result.stdout, result.code]).toEqual(['ok', 0]);
    const line = await postern.until(() => postern.audit[33]);
    expect([postern.audit[32]?.status, line.status]).toEqual([429, 200]);
  });

  it('does not count what the policy denies or another rule allows, and says nothing on answers of the origin', async () => {
    const rules = '  - { name: free, hosts: [origin.test], ports: [PORT], paths: ["/free"] }';
    const { postern, origin, authority, tunnel } = await limited('requests: 1/h', ANSWERING);
    const free = rules.replace('PORT', String(origin.port));
    const policy = `version: 1\nrules:\n${free}\n  - { name: all, hosts: [origin.test], ports: [${origin.port}], methods: [GET], limits: { requests: 1/h } }\n`;
    postern.write('policies/test.yaml', policy);
    await fetch(`${postern.adminUrl}/v1/reload`, { method: 'POST' });
    const client = await tunnel();
    const path = get(authority).replace('GET /', 'GET /free');
    expect(await statuses(client, path, 3)).toEqual(['200', '200', '200']);
    client.send(get(authority).replace('GET', 'PUT'));
    await client.take(/^HTTP\/1\.1 403 PATH_DENIED\r\n[\s\S]*\}\}\n/);
    client.send(get(authority));
    const answer = await client.take(/^HTTP\/1\.1 200 OK\r\n[\s\S]*ok$/);
    expect(answer).not.toMatch(/RateLimit|Retry-After/i);
    expect(await statuses(client, get(authority), 1)).toEqual(['429']);
  });

  it('is counted for each sandbox on its own', async () => {
    const scene = await startScene({ ...ANSWERING, rule: '' });
    const { postern, origin, authority } = scene;
    const policy = (name: string): string =>
      `version: 1\nsandbox: { name: ${name}, match: [{ token: { file: ../${name}.txt } }] }\nrules:\n` +
      `  - { name: all, hosts: [origin.test], ports: [${origin.port}], limits: { requests: 1/h } }\n`;
    for (const name of ['vm-a', 'vm-b']) {
      postern.write(`${name}.txt`, `${name}-token-0123456789`);
      postern.write(`policies/${name}.yaml`, policy(name));
    }
    postern.write('policies/test.yaml', policy('vm-c').replace('token: { file: ../vm-c.txt }', 'source: 192.0.2.1/32'));
    const outcome = await fetch(`${postern.adminUrl}/v1/reload`, { method: 'POST' });
    expect(outcome.status).toBe(200);
    for (const name of ['vm-a', 'vm-b']) {
      const credentials = Buffer.from(`${name}:${name}-token-0123456789`).toString('base64');
      const client = await scene.tunnel(`Proxy-Authorization: Basic ${credentials}\r\n`);
      expect(await statuses(client, get(authority), 2)).toEqual(['200', '429']);
    }
  });
});

describe('limits over a reload', () => {
  const reload = async ({ postern, origin }: Scene, name: string, limits: string): Promise<void> => {
    postern.write(
      'policies/test.yaml',
      `version: 1\nrules:\n  - { name: ${name}, hosts: [origin.test], ports: [${origin.port}], limits: { ${limits} } }\n`,
    );
    const outcome = await fetch(`${postern.adminUrl}/v1/reload`, { method: 'POST' });
    expect(outcome.status).toBe(200);
  };

  it('keep what was used, under changed limits too, and forget it with the name of the rule', async () => {
    const scene = await limited('requests: 3/h', ANSWERING);
    const client = await scene.tunnel();
    const ask = (count: number): Promise<readonly string[]> => statuses(client, get(scene.authority), count);
    expect(await ask(2)).toEqual(['200', '200']);
    await reload(scene, 'all', 'requests: 3/h, body: 1MiB');
    expect(await ask(2)).toEqual(['200', '429']);
    await reload(scene, 'all', 'requests: 5/h');
    expect(await ask(3)).toEqual(['200', '200', '429']);
    expect(await usage(scene.postern)).toMatchObject({ rule: 'all', requests: { limit: 5, used: 5 } });
    await reload(scene, 'renamed', 'requests: 1/h');
    expect(await ask(2)).toEqual(['200', '429']);
    expect(await usage(scene.postern)).toMatchObject({ rule: 'renamed', requests: { limit: 1, used: 1 } });
    await reload(scene, 'all', 'requests: 1/h');
    expect(await ask(2)).toEqual(['200', '429']);
    const line = await scene.postern.logged(/"allowed":\[[^\]]*limits\.requests[^\]]*\]/);
    expect(line).toContain('default: all limits.requests 5/h, was 3/h');
  });

  it('keep what is in flight counted', async () => {
    const scene = await limited('concurrency: 1');
    const held = await scene.tunnel();
    held.send(get(scene.authority));
    const connection = await scene.origin.next();
    await connection.until(/\r\n\r\n$/);
    await reload(scene, 'all', 'concurrency: 1, requests: 100/s');
    const other = await scene.tunnel();
    other.send(get(scene.authority));
    expect(await other.take(REFUSED)).toMatch(/^HTTP\/1\.1 429 /);
    connection.socket.write(OK);
    await held.take(/ok$/);
    await untilNoneInFlight(scene.postern);
    other.send(get(scene.authority));
    await connection.until(/^GET [\s\S]*\r\n\r\nGET [\s\S]*\r\n\r\n$/);
  });
});

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
    expect(fieldOf(answer, 'Retry-After')).toBe('1');
    expect(fieldOf(answer, 'RateLimit-Policy')).toBe('"concurrency";q=2;qu="concurrent-requests"');
    expect(fieldOf(answer, 'RateLimit')).toBe('"concurrency";r=0');
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
    const { connectTunnel } = await import('../support/raw-client.ts');
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

  it('of 0B is no body at all', async () => {
    const { authority, tunnel } = await limited('body: 0B', ANSWERING);
    const client = await tunnel();
    expect(await statuses(client, get(authority), 1)).toEqual(['200']);
    expect(await statuses(client, post(authority, 'Content-Length: 0'), 1)).toEqual(['200']);
    client.send(post(authority, 'Content-Length: 1', 'x'));
    expect(await client.take(REFUSED)).toMatch(/^HTTP\/1\.1 413 /);
  });
});
