import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { isInstalled } from '../support/command.ts';
import { fullListener } from '../support/full-listener.ts';
import { descriptorsOf, metricBecomes } from '../support/observed.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel, type RawClient } from '../support/raw-client.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const DESCRIPTORS = 100;
/** Of 100 descriptors 64 are kept for everything else, and a request takes two. */
const CONNECTIONS = 18;

/** A proxy that may have few descriptors, and an origin known by as many names as one likes, each with connections of its own. */
async function scene(silentPort = 9) {
  const origin = await startOrigin({ onConnection: answering(OK) });
  const names = Array.from({ length: 150 }, (_, index) => `h${index}.test`);
  const hosts = Object.fromEntries(names.map((name) => [name, ['127.0.0.1']]));
  const postern = await startPostern({
    policies: `version: 1
secrets: { token: { file: ../secret.txt } }
rules:
  - { hosts: ["*.test"], schemes: [http], ports: [${origin.port}, ${silentPort}], inject: [{ bearer: "\${token}" }] }
subnets:
  allow: [{ cidr: 127.0.0.1/32, ports: [${origin.port}, ${silentPort}] }]
`,
    files: { 'secret.txt': 'a-secret-0123456789' },
    settings: { upstream: { hosts, allow_addresses: ['127.0.0.0/8'] } },
    descriptors: DESCRIPTORS,
  });
  const get = async (client: RawClient, name: string): Promise<string> => {
    client.send(`GET http://${name}:${origin.port}/ HTTP/1.1\r\nHost: ${name}:${origin.port}\r\n\r\n`);
    return await client.take(/\r\n\r\n(ok|[\s\S]*\}\}\n)$/);
  };
  return { origin, names, postern, get };
}

/** The status that a client gets which asks once, on a connection of its own. */
async function statusOf(postern: Postern, authority: string): Promise<string> {
  const client = await connectRaw(postern.proxyPort);
  client.send(`GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`);
  const answer = await client.untilEnded();
  client.socket.destroy();
  return answer.slice(9, 12);
}

describe('upstream connections that are idle', () => {
  it('leave descriptors to others, however many hosts one client thinks of', async () => {
    const { names, postern, get } = await scene();
    const client = await connectRaw(postern.proxyPort);
    for (const name of names) expect(await get(client, name)).toMatch(/^HTTP\/1\.1 200 /);
    expect(descriptorsOf(postern)).toBeLessThan(DESCRIPTORS - 20);
    await metricBecomes(postern, 'postern_connections{side="upstream"}', CONNECTIONS);
  });

  it('make room for opaque tunnels', async () => {
    const { origin, names, postern, get } = await scene();
    const client = await connectRaw(postern.proxyPort);
    for (const name of names.slice(0, CONNECTIONS)) await get(client, name);
    await metricBecomes(postern, 'postern_connections{side="upstream"}', CONNECTIONS);
    for (let count = 0; count < 5; count++) await connectTunnel(postern.proxyPort, `127.0.0.1:${origin.port}`);
    await metricBecomes(postern, 'postern_connections{side="upstream"}', CONNECTIONS);
  });
});

describe('clients that leave while their connection is dialled', () => {
  it.each(['a request', 'an opaque tunnel'])('leave no dial behind, for %s: others are served at once', async (use) => {
    const { port } = await fullListener();
    const { origin, postern, get } = await scene(port);
    const authority = `127.0.0.1:${port}`;
    const ask =
      use === 'a request'
        ? `GET http://h1.test:${port}/ HTTP/1.1\r\nHost: h1.test:${port}\r\n\r\n`
        : `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
    const before = descriptorsOf(postern);
    for (let round = 0; round < 4; round++) {
      const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => connectRaw(postern.proxyPort)));
      for (const client of clients) client.send(ask);
      await expect.poll(() => descriptorsOf(postern)).toBeGreaterThanOrEqual(before + 2 * CONNECTIONS);
      for (const { socket } of clients) socket.resetAndDestroy();
      await metricBecomes(postern, 'postern_connections{side="client"}', 0);
    }
    expect(await get(await connectRaw(postern.proxyPort), 'h2.test')).toMatch(/^HTTP\/1\.1 200 /);
    await postern.audited({ status: 200 });
    const left = postern.audit.filter(({ code, status }) => code === 'REQUEST_INVALID' && status === null);
    expect(left).toHaveLength(4 * CONNECTIONS);
    expect(origin.connections).toHaveLength(1);
  });
});

/** Leaves a proxy no descriptor to open, by its limit. Resolves, once no more are being closed, with how to give them back. */
async function exhaust({ child }: Postern): Promise<() => void> {
  const limitTo = (count: number): void => {
    execFileSync('prlimit', ['--pid', String(child.pid), `--nofile=${count}:`]);
  };
  const taken = (): string => readdirSync(`/proc/${child.pid}/fd`).join();
  for (let before = ''; before !== taken(); ) {
    before = taken();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  // A new descriptor is the lowest that is free, and must be below the limit.
  const free = Array.from({ length: DESCRIPTORS }, (_, fd) => fd).filter(
    (fd) => !taken().split(',').includes(String(fd)),
  );
  limitTo(free[0] ?? DESCRIPTORS);
  return () => limitTo(DESCRIPTORS);
}

describe.skipIf(!isInstalled('prlimit'))('a proxy whose last descriptor is taken', () => {
  it('answers 503 OVERLOADED with Retry-After where it cannot dial, and recovers by itself', async () => {
    const { origin, names, postern, get } = await scene();
    const client = await connectRaw(postern.proxyPort);
    const tunnel = await connectRaw(postern.proxyPort);
    await metricBecomes(postern, 'postern_connections{side="client"}', 2);
    const giveBack = await exhaust(postern);
    const refusal = await get(client, names[0] ?? '');
    expect(refusal).toMatch(/^HTTP\/1\.1 503 OVERLOADED\r\n[\s\S]*\r\nRetry-After: 1\r\n/);
    tunnel.send(`CONNECT 127.0.0.1:${origin.port} HTTP/1.1\r\nHost: 127.0.0.1:${origin.port}\r\n\r\n`);
    expect(await tunnel.untilEnded()).toMatch(/^HTTP\/1\.1 503 OVERLOADED[^\r]*\r\n[\s\S]*\r\nRetry-After: 1\r\n/);
    giveBack();
    expect(await get(await connectRaw(postern.proxyPort), names[0] ?? '')).toMatch(/^HTTP\/1\.1 200 /);
    await postern.audited({ status: 200 });
    const reason = 'the proxy cannot open another connection (EMFILE)';
    const refused = { code: 'OVERLOADED', status: 503, reason };
    expect(postern.audit).toMatchObject([refused, refused, { status: 200 }]);
  });

  it('survives clients that it cannot accept, and serves those that come after', async () => {
    const { origin, names, postern } = await scene();
    const giveBack = await exhaust(postern);
    const clients = await Promise.all(Array.from({ length: 20 }, () => connectRaw(postern.proxyPort)));
    giveBack();
    for (const { socket } of clients) socket.destroy();
    // Those that waited to be accepted may still take all places for a moment.
    await expect.poll(() => statusOf(postern, `${names[0]}:${origin.port}`)).toBe('200');
    await metricBecomes(postern, 'postern_connections{side="client"}', 0);
    expect(postern.stderr).not.toMatch(/unhandled|uncaught|EMFILE|"level":[56]0/i);
  });

  it('has an edit that it could not read in force soon after it has others', async () => {
    const { names, postern, get } = await scene();
    const giveBack = await exhaust(postern);
    postern.write('policies/test.yaml', 'version: 1\nrules: []\n');
    await postern.logged(/EMFILE|could not be read/);
    giveBack();
    await postern.logged(/a new generation is in force/);
    expect(await get(await connectRaw(postern.proxyPort), names[0] ?? '')).toMatch(/^HTTP\/1\.1 403 HOST_DENIED\r\n/);
  });
});
