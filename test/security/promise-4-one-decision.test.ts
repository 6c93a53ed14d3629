import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { OK } from '../support/attack.ts';
import { closeOpened } from '../support/closing.ts';
import { startDns } from '../support/dns.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel } from '../support/raw-client.ts';
import { certificateFor, loopback, seenBy, startScene } from '../support/scene.ts';

closeOpened();

const OK_CLOSE = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok';
const LISTENERS = { listen: { proxy: ['127.0.0.1:0'] }, admin: { listen: ['127.0.0.1:0'] } };

async function change(postern: Postern, file: string, text: string): Promise<void> {
  postern.write(file, text);
  const answer = await fetch(`${postern.adminUrl}/v1/reload`, { method: 'POST' });
  if (answer.status !== 200) throw new Error(await answer.text());
}

/** One plain-HTTP request on a connection of its own; the answer. */
async function ask(postern: Postern, authority: string): Promise<string> {
  const client = await connectRaw(postern.proxyPort);
  client.send(`GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`);
  return await client.untilEnded();
}

describe('every name in a request', () => {
  it('is the same host in its other spellings, which reach the origin as they came', async () => {
    const { origin, authority, tunnel } = await startScene({ origin: { onConnection: answering(OK) } });
    const client = await tunnel();
    const spelled = authority.replace('origin.test', 'Origin.TEST.');
    client.send(`GET https://${spelled}/x HTTP/1.1\r\nHost: ${spelled}\r\n\r\n`);
    await client.take(/ok$/);
    expect(seenBy(origin)).toContain(`GET /x HTTP/1.1\r\nHost: ${spelled}\r\n`);
  });

  it('is what the certificate is verified for, not what another header says', async () => {
    const origin = await startOrigin({ tls: certificateFor('other.test'), onConnection: answering(OK) });
    const policies = `version: 1\nrules:\n  - { hosts: [origin.test, other.test], ports: [${origin.port}] }\n`;
    const postern = await startPostern({ policies, ...loopback() });
    const client = await connectTunnel(postern.proxyPort, `origin.test:${origin.port}`);
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    client.send(`GET / HTTP/1.1\r\nHost: origin.test:${origin.port}\r\nX-Forwarded-Host: other.test\r\n\r\n`);
    await client.until(/^HTTP\/1\.1 502 TLS_UNTRUSTED\r\n/);
    expect(seenBy(origin)).toBe('');
  });
});

describe('the address dialled', () => {
  it('is one of those that were judged: forbidden answers are dropped, the others tried', async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const dns = await startDns({ 'mixed.test': ['10.0.0.1', '127.0.0.2', '127.0.0.1', '::ffff:127.0.0.2'] });
    const postern = await startPostern({
      policies: `version: 1\nrules:\n  - { hosts: [mixed.test], schemes: [http], ports: [${origin.port}] }\n`,
      settings: { upstream: { dns: [`127.0.0.1:${dns.port}`], allow_addresses: ['127.0.0.1/32'] } },
    });
    expect(await ask(postern, `mixed.test:${origin.port}`)).toMatch(/ok$/);
    expect(await postern.audited({ host: 'mixed.test' })).toMatchObject({ address: `127.0.0.1:${origin.port}` });
  });

  it('is judged as IPv4 and dialled when it came v4-mapped', async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const dns = await startDns({ 'mapped.test': ['::ffff:127.0.0.1'] });
    const postern = await startPostern({
      policies: `version: 1\nrules:\n  - { hosts: [mapped.test], schemes: [http], ports: [${origin.port}] }\n`,
      settings: { upstream: { dns: [`127.0.0.1:${dns.port}`], allow_addresses: ['127.0.0.1/32'] } },
    });
    expect(await ask(postern, `mapped.test:${origin.port}`)).toMatch(/ok$/);
  });

  it('is judged anew at every resolution: an answer that moves into private space later is refused', async () => {
    const origin = await startOrigin({ onConnection: answering(OK_CLOSE) });
    const dns = await startDns({ 'rebind.test': ['127.0.0.1'] });
    const postern = await startPostern({
      policies: `version: 1\nrules:\n  - { hosts: [rebind.test], schemes: [http], ports: [${origin.port}] }\n`,
      settings: {
        upstream: { dns: [`127.0.0.1:${dns.port}`], allow_addresses: ['127.0.0.1/32'] },
        limits: { dns_cache: '1ms' },
      },
    });
    const authority = `rebind.test:${origin.port}`;
    const client = await connectRaw(postern.proxyPort);
    const get = `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
    client.send(get);
    await client.take(/ok$/);
    dns.zone['rebind.test'] = ['127.0.0.2', '169.254.169.254', '::1'];
    client.send(get);
    await client.until(/^HTTP\/1\.1 403 ADDRESS_DENIED\r\n/);
    expect(origin.connections).toHaveLength(1);
  });

  it('follows a reload of fixed answers', async () => {
    const origin = await startOrigin({ onConnection: answering(OK_CLOSE) });
    const policies = `version: 1\nrules:\n  - { hosts: [plain.test], schemes: [http], ports: [${origin.port}] }\n`;
    const postern = await startPostern({ policies, ...loopback() });
    expect(await ask(postern, `plain.test:${origin.port}`)).toMatch(/ok$/);
    const upstream = { hosts: { 'plain.test': ['10.0.0.1'] }, allow_addresses: ['127.0.0.0/8'] };
    await change(postern, 'postern.yaml', stringify({ version: 1, ...LISTENERS, upstream }));
    expect(await ask(postern, `plain.test:${origin.port}`)).toMatch(/^HTTP\/1\.1 403 ADDRESS_DENIED\r\n/);
  });

  it('is private only where a rule names the host: neither "default: allow" nor "mode: observe" opens it', async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    for (const head of ['default: allow', 'mode: observe']) {
      const postern = await startPostern({ policies: `version: 1\n${head}\nrules: []\n`, ...loopback() });
      expect(await ask(postern, `plain.test:${origin.port}`)).toMatch(/^HTTP\/1\.1 403 ADDRESS_DENIED\r\n/);
      const client = await connectRaw(postern.proxyPort);
      client.send(`CONNECT plain.test:${origin.port} HTTP/1.1\r\n\r\n`);
      expect(await client.untilEnded()).toMatch(/^HTTP\/1\.1 403 ADDRESS_DENIED/);
    }
    expect(origin.connections).toHaveLength(0);
  });

  it('is a metadata address only where it is allowed exactly', async () => {
    const settings = { upstream: { hosts: { 'meta.test': ['169.254.169.254'] }, allow_addresses: ['169.254.0.0/16'] } };
    const policies = 'version: 1\nrules:\n  - { hosts: [meta.test], schemes: [http] }\n';
    const postern = await startPostern({ policies, settings });
    expect(await ask(postern, 'meta.test')).toMatch(/^HTTP\/1\.1 403 ADDRESS_DENIED\r\n/);
  });
});
