import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { startDns } from '../support/dns.ts';
import { launchPostern, startPostern } from '../support/postern.ts';
import { connectRaw } from '../support/raw-client.ts';
import { startScene } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const get = (authority: string, path = '/'): string => `GET ${path} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;

describe('SIGTERM', () => {
  it('lets a request in flight finish, takes no other, is not ready meanwhile, and ends with exit 0', async () => {
    const { postern, origin, authority, tunnel } = await startScene();
    const idle = await tunnel();
    idle.send(get(authority, '/idle'));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write(OK);
    await idle.take(/ok$/);
    const busy = await tunnel();
    busy.send(get(authority, '/busy'));
    await connection.until(/GET \/busy [\s\S]*\r\n\r\n$/);
    postern.child.kill('SIGTERM');
    await postern.logged(/"msg":"stopping"/);
    // What runs nothing is closed at once.
    await idle.untilEnded();
    const ready = await fetch(`${postern.adminUrl}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, 'draining\n']);
    expect((await fetch(`${postern.adminUrl}/healthz`)).status).toBe(200);
    await expect(connectRaw(postern.proxyPort)).rejects.toThrow(/ECONNREFUSED/);
    busy.send(get(authority, '/later'));
    connection.socket.write(OK);
    const answers = await busy.untilEnded();
    expect(answers).toBe('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok');
    busy.socket.destroy();
    idle.socket.destroy();
    await expect(postern.until(() => undefined)).rejects.toThrow(/postern ended \(0\)/);
    expect(connection.received).not.toContain('/later');
    expect(postern.audit.map(({ path }) => path)).toEqual(['/idle', '/busy']);
  });

  it('cuts what is still open when the drain time is over, and ends with exit 0', async () => {
    const { postern, origin, authority, tunnel } = await startScene({ limits: { drain: '500ms' } });
    const waiting = await tunnel();
    waiting.send(get(authority, '/waiting'));
    await (await origin.next()).until(/\r\n\r\n$/);
    const streaming = await tunnel();
    streaming.send(get(authority, '/streaming'));
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n');
    await streaming.until(/a\r\n$/);
    postern.child.kill('SIGTERM');
    await waiting.until(/^HTTP\/1\.1 503 DRAINING\r\n/);
    await streaming.untilEnded();
    expect(streaming.received).toMatch(/1\r\na\r\n$/);
    for (const { socket } of [waiting, streaming]) socket.destroy();
    await expect(postern.until(() => undefined)).rejects.toThrow(/postern ended \(0\)/);
    expect(postern.audit).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ path: '/waiting', code: 'DRAINING', status: 503 }),
        expect.objectContaining({ path: '/streaming', code: 'DRAINING', status: 200 }),
      ]),
    );
  });

  it('does not wait for a request that itself only waits for an address', async () => {
    const dns = await startDns({ 'slow.test': ['127.0.0.1'] });
    const postern = await startPostern({
      policies: 'version: 1\nrules:\n  - { hosts: [slow.test], schemes: [http], ports: [80] }\n',
      settings: { upstream: { dns: [`127.0.0.1:${dns.port}`] }, limits: { drain: '200ms' } },
    });
    dns.hold();
    const client = await connectRaw(postern.proxyPort);
    client.send('GET http://slow.test/ HTTP/1.1\r\nHost: slow.test\r\n\r\n');
    await dns.asked('slow.test');
    const startedMs = performance.now();
    postern.child.kill('SIGTERM');
    await client.until(/^HTTP\/1\.1 503 DRAINING\r\n/);
    client.socket.destroy();
    await expect(postern.until(() => undefined)).rejects.toThrow(/postern ended \(0\)/);
    expect(performance.now() - startedMs).toBeLessThan(3_000);
  });

  it('as soon as the proxy listens stops it in order, and SIGHUP and SIGUSR2 do not end it', async () => {
    const postern = launchPostern({ policies: 'version: 1\nrules: []\n' });
    await postern.logged(/"msg":"listening"/);
    for (const signal of ['SIGHUP', 'SIGUSR2', 'SIGTERM'] as const) postern.child.kill(signal);
    await expect(postern.until(() => undefined)).rejects.toThrow(/postern ended \(0\)/);
    expect(postern.stderr).toContain('"msg":"stopping"');
  });
});
