import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { startOrigin } from '../support/origin.ts';
import { launchPostern, startPostern } from '../support/postern.ts';
import { connectTunnel } from '../support/raw-client.ts';
import { certificateFor, loopback, startScene } from '../support/scene.ts';

closeOpened();

const TOKEN = 'PSTRN-QUARANTINE-01';
const ADMIN = 'admin-token-0123456789';

const policy = (port: number): string => `version: 1
secrets: { token: { file: ../secret.txt } }
rules:
  - name: swap
    hosts: [origin.test]
    ports: [${port}]
    inject: [ { placeholder: { token: ${TOKEN}, value: "\${token}", in: ["header:x-key"], misplaced: quarantine } } ]
`;

const SETTINGS = {
  admin: { listen: ['127.0.0.1:0'], token: { file: 'admin.txt' } },
  state: 'state',
};

async function start() {
  const tls = certificateFor('origin.test');
  const origin = await startOrigin({ tls });
  const base = loopback();
  const postern = await startPostern({
    policies: policy(origin.port),
    settings: { ...base.settings, ...SETTINGS },
    files: { ...base.files, 'admin.txt': `${ADMIN}\n` },
  });
  const authority = `origin.test:${origin.port}`;
  const tunnel = async () => {
    const client = await connectTunnel(postern.proxyPort, authority);
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    return client;
  };
  return { origin, postern, authority, tunnel };
}

const lift = (adminUrl: string, sandbox: string, fields: Record<string, string>) =>
  fetch(`${adminUrl}/v1/sandboxes/${sandbox}/quarantine`, { method: 'DELETE', headers: fields });

const AUTHORIZED = { authorization: `Bearer ${ADMIN}` };

describe('a sandbox that misuses a placeholder whose policy says quarantine', () => {
  it('is denied everything, loses what it has open, survives reloads, and is let out by an operator', async () => {
    const { origin, postern, authority, tunnel } = await start();
    const streaming = await tunnel();
    streaming.send(`GET /stream HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    const upstream = await origin.next();
    await upstream.until(/\r\n\r\n/);
    upstream.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n###\r\n');
    await streaming.until(/###/);

    const misusing = await tunnel();
    misusing.send(`GET /?x=${TOKEN} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await misusing.until(/"code":"PLACEHOLDER_MISUSE"/);
    await streaming.untilEnded();
    await upstream.untilEnded();
    await postern.audited({ path: '/stream', code: 'QUARANTINED' });
    await postern.logged(/in quarantine/);

    await expect(tunnel()).rejects.toThrow(/403 QUARANTINED/);
    postern.write('policies/test.yaml', `${policy(origin.port)}# touched\n`);
    await postern.logged(/"generation":2/);
    await expect(tunnel()).rejects.toThrow(/403 QUARANTINED/);

    const metrics = await (await fetch(`${postern.adminUrl}/metrics`)).text();
    expect(metrics).toContain('postern_quarantined{sandbox="default"} 1');
    const status = (await (await fetch(`${postern.adminUrl}/v1/status`)).json()) as { quarantine: unknown };
    expect(status.quarantine).toEqual([
      expect.objectContaining({ sandbox: 'default', host: 'origin.test', rule: 'swap' }),
    ]);
    expect(JSON.parse(readFileSync(join(postern.folder, 'state/quarantine.json'), 'utf8'))).toHaveLength(1);

    expect((await lift(postern.adminUrl, 'default', {})).status).toBe(401);
    await expect(tunnel()).rejects.toThrow(/403 QUARANTINED/);
    expect((await lift(postern.adminUrl, 'nobody', AUTHORIZED)).status).toBe(404);
    expect((await lift(postern.adminUrl, 'default', AUTHORIZED)).status).toBe(200);
    expect(JSON.parse(readFileSync(join(postern.folder, 'state/quarantine.json'), 'utf8'))).toEqual([]);
    await tunnel();
  });

  it('is still in it after a restart, and a file that cannot be read stops the start', async () => {
    const { postern, authority, tunnel, origin } = await start();
    const misusing = await tunnel();
    misusing.send(`GET /${TOKEN} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await misusing.until(/"code":"PLACEHOLDER_MISUSE"/);
    await postern.stop();
    const kept = readFileSync(join(postern.folder, 'state/quarantine.json'), 'utf8');
    const base = loopback();
    const options = (text: string) => ({
      policies: policy(origin.port),
      settings: { ...base.settings, ...SETTINGS },
      files: { ...base.files, 'admin.txt': `${ADMIN}\n`, 'state/quarantine.json': text },
    });
    const again = await startPostern(options(kept));
    await expect(connectTunnel(again.proxyPort, authority)).rejects.toThrow(/403 QUARANTINED/);
    const broken = launchPostern(options('{'));
    while (broken.exitCode === null) await new Promise((resolve) => broken.child.once('close', resolve));
    expect(broken.exitCode).toBe(1);
    expect(broken.stderr).toContain('quarantine.json is not what was written there; mend it, or remove it');
  });

  it('is not let out without a token where none is configured', async () => {
    const { postern } = await startScene();
    expect((await lift(postern.adminUrl, 'default', {})).status).toBe(403);
  });
});
