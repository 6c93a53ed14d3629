import { X509Certificate } from 'node:crypto';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { TestAuthority } from '../support/certificates.ts';
import { closeOpened } from '../support/closing.ts';
import { metric, metricBecomes } from '../support/observed.ts';
import { answering } from '../support/origin.ts';
import { connectTunnel, type RawClient } from '../support/raw-client.ts';
import { type Scene, startScene } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const LIFETIME_MS = 3_000;

const get = async (client: RawClient, authority: string): Promise<string> => {
  client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  return await client.take(/ok$/);
};

/** A tunnel in which TLS is begun; says what became of the handshake. */
async function handshake({ postern, authority }: Scene, ca: string): Promise<'done' | 'failed'> {
  const client = await connectTunnel(postern.proxyPort, authority);
  return await client.secure({ servername: 'origin.test', ca }).then(
    () => 'done',
    () => 'failed',
  );
}

describe('a CA that expires while the proxy runs', () => {
  it('ends no connection, is said by log, metric and audit, and is mended by another CA in its place', async () => {
    const short = new TestAuthority('Short-lived', LIFETIME_MS / 86_400_000);
    const expiresMs = new X509Certificate(short.pem).validToDate.getTime();
    const files = { 'certs/ca.pem': short.pem, 'certs/ca-key.pem': short.keyPem };
    const scene = await startScene({ files, origin: { onConnection: answering(OK) } });
    const { postern, authority, tunnel } = scene;
    const open = await tunnel();
    const leaf = (open.socket as TLSSocket).getPeerX509Certificate();
    expect(leaf?.validToDate.getTime()).toBeLessThanOrEqual(expiresMs);
    await get(open, authority);
    expect(await metric(postern, 'postern_ca_expiry_timestamp_seconds')).toBe(expiresMs / 1000);

    const reason = 'The certificate authority of the proxy has expired.';
    const isSaid = async (): Promise<boolean> => {
      await handshake(scene, short.pem);
      return postern.audit.some((line) => line.reason === reason);
    };
    await expect.poll(isSaid, { timeout: 10_000 }).toBe(true);
    expect(await handshake(scene, short.pem)).toBe('failed');
    expect(await postern.audited({ reason })).toMatchObject({ code: 'TLS_FAILED', status: 200, protocol: 'tunnel' });
    await postern.logged(/"file":"[^"]*ca\.pem"[^\n]*the CA is valid until [^\n]*no certificates can be made/);
    expect(postern.stderr.match(/no certificates can be made/g)).toHaveLength(1);
    expect(await metric(postern, 'postern_leaf_certificates_total{outcome="failed"}')).toBeGreaterThan(0);
    expect(await get(open, authority)).toContain('ok');
    expect((await fetch(`${postern.adminUrl}/readyz`)).status).toBe(200);

    const next = new TestAuthority('Next');
    postern.write('next-key.pem', next.keyPem);
    postern.write('next.pem', next.pem);
    renameSync(join(postern.folder, 'next-key.pem'), join(postern.folder, 'certs/ca-key.pem'));
    renameSync(join(postern.folder, 'next.pem'), join(postern.folder, 'certs/ca.pem'));
    await expect.poll(() => handshake(scene, next.pem), { timeout: 5_000 }).toBe('done');
    await metricBecomes(postern, 'postern_policy_reload_total{outcome="swapped"}', 2);
    expect(await get(open, authority)).toContain('ok');
  });
});
