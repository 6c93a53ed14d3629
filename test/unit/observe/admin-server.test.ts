import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AdminServer } from '../../../src/observe/admin-server.ts';
import { LineSink } from '../../../src/observe/line-sink.ts';
import { Log } from '../../../src/observe/log.ts';
import { Scrape } from '../../../src/observe/scrape.ts';
import type { Liveness } from '../../../src/observe/status.ts';
import type { ListenAddress } from '../../../src/runtime/settings.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { allowing, type RuntimeScene, started } from '../../support/runtime.ts';

const LOCAL: ListenAddress = { kind: 'tcp', host: '127.0.0.1', port: 0, text: '127.0.0.1:0' };
const P = 'policies/default.yaml';

interface AdminScene extends RuntimeScene {
  readonly admin: AdminServer;
  readonly address: ListenAddress;
  readonly url: string;
  live: Liveness;
}

async function adminScene(address: ListenAddress = LOCAL, token: string | null = null): Promise<AdminScene> {
  const scene = await started({ [P]: allowing('api.example.com') });
  const scrape = new Scrape(scene.metrics);
  const sink = new LineSink({ target: '/dev/null' });
  const log = new Log(sink, 'info');
  const live: Liveness = {
    ready: true,
    draining: false,
    proxyListeners: ['127.0.0.1:8080'],
    listenersFailed: [],
    otherListeners: { transparent: [], dns: [] },
    adminListeners: [],
    connections: scene.metrics.connections,
    tunnels: 0,
    auditDropped: 0,
    auditHealthy: true,
    uses: () => [],
  };
  const tokenTest = () => (token === null ? null : (text: string) => text === token);
  const admin = new AdminServer({
    runtime: scene.runtime,
    scrape,
    log,
    liveness: () => made.live,
    quarantine: () => null,
    jwks: async () => '{"keys":[]}\n',
    bundlePem: () => 'BUNDLE',
    tokenTest,
  });
  onTestFinished(async () => {
    await admin.close();
    await scrape.close();
    await sink.close(100);
  });
  const bound = await admin.listen(address);
  const made: AdminScene = { ...scene, admin, address: bound, url: `http://${bound.text}`, live };
  return made;
}

describe('the admin listener', () => {
  it('answers probes: alive always, ready only while it takes traffic', async () => {
    const scene = await adminScene();
    const get = async (path: string): Promise<unknown> => {
      const response = await fetch(scene.url + path);
      return [response.status, await response.text()];
    };
    expect(await get('/healthz')).toEqual([200, 'alive\n']);
    expect(await get('/readyz')).toEqual([200, 'ready\n']);
    scene.live = { ...scene.live, draining: true };
    expect(await get('/readyz')).toEqual([503, 'draining\n']);
    scene.live = { ...scene.live, draining: false, ready: false };
    expect(await get('/readyz')).toEqual([503, 'starting\n']);
    expect(await get('/healthz')).toEqual([200, 'alive\n']);
  });

  it('shows what is in force', async () => {
    const { url, runtime } = await adminScene();
    const response = await fetch(`${url}/v1/status`);
    expect(response.headers.get('content-type')).toContain('application/json');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toMatchObject({
      version: '0.0.0-test',
      ready: true,
      generation: 1,
      hash: runtime.current.hash,
      restart_required: [],
      sandboxes: [{ name: 'default', state: 'current', files: [P], rules: 1, mode: 'enforce', default: 'deny' }],
      findings: [],
      listeners: { proxy: ['127.0.0.1:8080'] },
      ca: { subject: runtime.state.authority.authority.subject, expires: expect.stringMatching(/^20/) },
    });
  });

  it('shows what rules used of their limits', async () => {
    const scene = await adminScene();
    const rate = { amount: 5, windowMs: 60_000, used: 2, available: 3 };
    const all = { rule: 'a', requests: rate, bytesOut: rate, concurrency: 9, bodyBytesMax: 7, inFlight: 1 };
    const one = { rule: 'b', requests: null, bytesOut: null, concurrency: 2, bodyBytesMax: null, inFlight: 0 };
    scene.live = { ...scene.live, uses: (sandbox) => (sandbox === 'default' ? [all, one] : []) };
    const response = await fetch(`${scene.url}/v1/status`);
    const shown = { limit: 5, window_seconds: 60, used: 2, available: 3 };
    const limits = [
      { rule: 'a', requests: shown, bytes_out: shown, concurrency: { limit: 9 }, body: { limit: 7 }, in_flight: 1 },
      { rule: 'b', concurrency: { limit: 2 }, in_flight: 0 },
    ];
    expect(await response.json()).toMatchObject({ sandboxes: [{ name: 'default', limits }] });
  });

  it('reloads, and answers when it is in force', async () => {
    const { url, runtime, write } = await adminScene();
    write(P, allowing('new.example.com'));
    const response = await fetch(`${url}/v1/reload`, { method: 'POST' });
    expect([response.status, await response.json()]).toEqual([
      200,
      { outcome: 'swapped', generation: 2, hash: runtime.current.hash, duration_ms: expect.any(Number), findings: [] },
    ]);
  });

  it('answers 422 with the places of what does not load, and what is in force all the same', async () => {
    const { url, write } = await adminScene();
    write(P, 'version: 1\nrules:\n  - hosts: ["*.com"]\n');
    const response = await fetch(`${url}/v1/reload`, { method: 'POST' });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({
      outcome: 'unchanged',
      generation: 1,
      findings: [{ level: 'error', file: P, line: 3, key: 'rules[0].hosts[0]' }],
    });
  });

  it('gives the metrics as Prometheus reads them', async () => {
    const { url } = await adminScene();
    const response = await fetch(`${url}/metrics`);
    expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    expect(await response.text()).toContain('\npostern_policy_generation 1\n');
  });

  it('gives the CA and the bundle', async () => {
    const { url, runtime } = await adminScene();
    expect(await (await fetch(`${url}/ca.pem`)).text()).toBe(runtime.state.authority.authority.caPem);
    expect(await (await fetch(`${url}/bundle.pem`)).text()).toBe('BUNDLE');
  });

  it('says what is wrong with other paths and methods', async () => {
    const { address } = await adminScene();
    const cases = [
      ['POST', '/healthz', 405, 'use GET'],
      ['GET', '/v1/reload', 405, 'use POST'],
      ['DELETE', '/v1/status', 405, 'use GET'],
      ['GET', '/', 404, 'does not have it yet'],
      ['PUT', '/v1/sandboxes/vm/policy', 404, 'does not have it yet'],
      ['GET', '/v1/events', 404, 'does not have it yet'],
      ['GET', '/nothing', 404, 'there is no such path'],
      ['GET', '/v1/status/../../etc/passwd', 404, 'there is no such path'],
      ['GET', '//v1/status', 404, 'there is no such path'],
    ] as const;
    for (const [method, path, status, why] of cases) {
      const [code, body] = await raw(address, { method, path });
      expect([method, path, code, JSON.parse(body).error.message]).toEqual([
        method,
        path,
        status,
        expect.stringContaining(why),
      ]);
    }
  });

  it('ignores a query and takes HEAD for GET', async () => {
    const { url } = await adminScene();
    expect((await fetch(`${url}/healthz?x=1`)).status).toBe(200);
    const head = await fetch(`${url}/v1/status`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  it('asks for the token with WWW-Authenticate and learns of a rotation', async () => {
    const { url } = await adminScene(LOCAL, 'right');
    const wrong = await fetch(`${url}/v1/status`, { headers: { authorization: 'Bearer wrong' } });
    expect([wrong.status, wrong.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="postern admin"']);
    expect((await fetch(`${url}/v1/status`, { headers: { authorization: 'Bearer right' } })).status).toBe(200);
  });

  it('refuses the name of a page that was rebound to loopback', async () => {
    const { address } = await adminScene();
    const [status] = await raw(address, { path: '/v1/status', headers: { host: 'evil.example' } });
    expect(status).toBe(421);
  });

  it('survives requests that are no HTTP, too large, or never end', async () => {
    const { address, url } = await adminScene();
    if (address.kind !== 'tcp') throw new Error('not on TCP');
    for (const bytes of [
      '\0\x01\x02',
      `GET /${'a'.repeat(10_000)} HTTP/1.1\r\n\r\n`,
      'GET /v1/status HTTP/1.1\r\nHost: ',
    ]) {
      const socket = connect(address.port, address.host);
      socket.on('error', () => {});
      onTestFinished(() => void socket.destroy());
      await once(socket, 'connect');
      socket.write(bytes);
    }
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('reads no body and does not wait for one', async () => {
    const { address } = await adminScene();
    const headers = { 'content-length': '1000000' };
    const [status] = await raw(address, { method: 'POST', path: '/v1/reload', headers, unfinished: true });
    expect(status).toBe(200);
  });

  it('closes at once although clients keep their connections', async () => {
    const { admin, address } = await adminScene();
    if (address.kind !== 'tcp') throw new Error('not on TCP');
    const socket = connect(address.port, address.host);
    socket.on('error', () => {});
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(socket, 'data');
    const closed = once(socket, 'close');
    await admin.close();
    await closed;
  });
});

describe('the admin listener on a Unix socket', () => {
  const at = (path: string): ListenAddress => ({ kind: 'unix', path, text: `unix:${path}` });

  it('is for its own user alone, from the first instant', async () => {
    const path = join(temporaryFolder(), 'admin.sock');
    const before = process.umask();
    const { address } = await adminScene(at(path));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(process.umask()).toBe(before);
    expect((await raw(address, { path: '/v1/status' }))[0]).toBe(200);
  });

  it('takes the place of a socket that a dead process left, not of one that lives, nor of a file', async () => {
    const folder = temporaryFolder();
    const left = join(folder, 'left.sock');
    const program = `require('net').createServer().listen(${JSON.stringify(left)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', program]);
    expect(existsSync(left)).toBe(true);
    const { address } = await adminScene(at(left));
    expect((await raw(address, { path: '/healthz' }))[0]).toBe(200);
    await expect(adminScene(at(left))).rejects.toThrow('EADDRINUSE');
    const file = join(folder, 'file');
    writeFileSync(file, 'precious');
    chmodSync(file, 0o600);
    await expect(adminScene(at(file))).rejects.toThrow('EADDRINUSE');
    expect(statSync(file).size).toBe(8);
  });
});

interface RawRequest {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly unfinished?: boolean;
}

/** A request as it stands: `fetch` would tidy the path and the Host. */
async function raw(
  address: ListenAddress,
  { path, method = 'GET', headers = {}, unfinished = false }: RawRequest,
): Promise<[number, string]> {
  const to = address.kind === 'unix' ? { socketPath: address.path } : { host: address.host, port: address.port };
  const sent = request({ ...to, path, method, headers });
  sent.on('error', () => {});
  onTestFinished(() => void sent.destroy());
  if (unfinished) sent.flushHeaders();
  else sent.end();
  const [response] = await once(sent, 'response');
  let body = '';
  for await (const bytes of response) body += bytes;
  return [response.statusCode, body];
}
