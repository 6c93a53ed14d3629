import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { answering } from '../support/origin.ts';
import { connectRaw } from '../support/raw-client.ts';
import { SECRET, startScene } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

describe('the admin listener of a running proxy', () => {
  it('shows requests in the metrics by sandbox and rule, and no host or secret', async () => {
    const { postern, authority, tunnel } = await startScene({ origin: { onConnection: answering(OK) } });
    const client = await tunnel();
    for (const path of ['/1', '/2']) {
      client.send(`GET ${path} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
      await client.take(/ok$/);
    }
    const refused = await connectRaw(postern.proxyPort);
    refused.send('CONNECT denied.example:443 HTTP/1.1\r\nHost: denied.example:443\r\n\r\n');
    await refused.until(/403/);
    await postern.audited({ host: 'denied.example' });
    const text = await (await fetch(`${postern.adminUrl}/metrics`)).text();
    expect(text).toContain(
      'postern_requests_total{sandbox="default",rule="all",decision="allow",code="",protocol="h1"} 2',
    );
    expect(text).toMatch(
      /postern_requests_total\{sandbox="default",rule="",decision="deny",code="HOST_DENIED",protocol="\w+"\} 1/,
    );
    expect(text).toContain('postern_injections_total{sandbox="default",rule="all",secret="token"} 2');
    expect(text).toContain('postern_request_duration_seconds_count{sandbox="default",rule="all"} 2');
    expect(text).toContain('postern_bytes_total{direction="in"} 4');
    expect(text).toMatch(/postern_leaf_certificates_total\{outcome="minted"\} 1/);
    expect(text).toMatch(/postern_connections\{side="client"\} [12]\n/);
    expect(text).toMatch(/postern_overhead_seconds_count [23]\n/);
    expect(text).not.toMatch(/origin\.test|denied\.example/);
    expect(text).not.toContain(SECRET);
    const status = await (await fetch(`${postern.adminUrl}/v1/status`)).json();
    expect(JSON.stringify(status)).not.toContain(SECRET);
    expect(status).toMatchObject({ ready: true, listeners: { proxy: [`127.0.0.1:${postern.proxyPort}`] } });
  });

  it('gives the CA that the proxy signs with', async () => {
    const { postern } = await startScene();
    expect(await (await fetch(`${postern.adminUrl}/ca.pem`)).text()).toBe(postern.ca);
    const bundle = await (await fetch(`${postern.adminUrl}/bundle.pem`)).text();
    expect(bundle.startsWith(postern.ca)).toBe(true);
    expect(bundle.split('BEGIN CERTIFICATE').length).toBeGreaterThan(50);
  });

  it('cannot be reached through the proxy, whatever the policy says', async () => {
    const { postern } = await startScene();
    const policy = `version: 1
rules:
  - { hosts: ["127.0.0.1", localhost], ports: [${postern.adminPort}, ${postern.proxyPort}], schemes: [http, https] }
subnets: { allow: [{ cidr: 127.0.0.0/8, ports: [${postern.adminPort}] }] }
`;
    postern.write('policies/test.yaml', policy);
    await postern.logged(/"generation":2,.*a new generation is in force/);
    for (const host of ['127.0.0.1', 'localhost']) {
      const client = await connectRaw(postern.proxyPort);
      const authority = `${host}:${postern.adminPort}`;
      client.send(`GET http://${authority}/v1/status HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
      expect(await client.until(/\r\n\r\n/)).toBeTruthy();
      expect(client.received).toMatch(/^HTTP\/1.1 403 [^\n]*ADDRESS_DENIED/);
      const tunnel = await connectRaw(postern.proxyPort);
      tunnel.send(
        `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\nGET /v1/status HTTP/1.1\r\nHost: ${authority}\r\n\r\n`,
      );
      await tunnel.until(/ADDRESS_DENIED/);
      expect(tunnel.received).not.toContain('generation');
    }
  });

  it('says that it is not ready from the first moment of draining on, while requests in flight finish', async () => {
    const { postern, origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    const connection = await origin.next();
    await connection.until(/\r\n\r\n/);
    expect((await fetch(`${postern.adminUrl}/readyz`)).status).toBe(200);
    postern.child.kill('SIGTERM');
    await postern.logged(/"msg":"stopping"/);
    const ready = await fetch(`${postern.adminUrl}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, 'draining\n']);
    expect((await fetch(`${postern.adminUrl}/healthz`)).status).toBe(200);
    connection.socket.write(OK);
    expect(await client.take(/ok$/)).toContain('200 OK');
    client.end();
    expect(await postern.until(() => postern.exitCode ?? undefined)).toBe(0);
  });
});
