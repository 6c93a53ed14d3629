import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { isInstalled, runCommand } from '../support/command.ts';
import { answering } from '../support/origin.ts';
import { get, OK, REFUSED, statuses, untilNoneInFlight, usage } from '../support/rule-limits.ts';
import { type Scene, type SceneOptions, startScene } from '../support/scene.ts';

closeOpened();

const limited = (limits: string, options: SceneOptions = {}): Promise<Scene> =>
  startScene({ rule: `limits: { ${limits} }`, ...options });

/** An origin that answers every request. */
const ANSWERING: SceneOptions = { origin: { onConnection: answering(OK) } };

const fieldOf = (answer: string, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)\r$`, 'mi').exec(answer)?.[1];

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
