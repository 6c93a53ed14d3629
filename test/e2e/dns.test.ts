import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { expectUnharmed } from '../support/attack.ts';
import { closeAfterTest, closeOpened, shared } from '../support/closing.ts';
import { isInstalled, runCommand } from '../support/command.ts';
import { startDns } from '../support/dns.ts';
import { type AnswerRead, opt, type QueryParts, queryBytes, readAnswer } from '../support/dns-query.ts';
import { metricBecomes } from '../support/observed.ts';
import { type Postern, type PosternOptions, startPostern } from '../support/postern.ts';
import { connectRaw } from '../support/raw-client.ts';
import { portsOf } from '../support/transparent.ts';

closeOpened();

const PUBLIC = '93.184.216.34';
const PUBLIC_SIX = '2606:2800:220:1::1';

interface Scene {
  readonly postern: Postern;
  readonly port: number;
}

async function startNames({
  listen = {},
  upstream = {},
  ...options
}: { listen?: object; upstream?: object } & PosternOptions): Promise<Scene> {
  const postern = await startPostern({
    ...options,
    settings: { listen: { proxy: ['127.0.0.1:0'], dns: ['127.0.0.1:0'], ...listen }, upstream, ...options.settings },
  });
  const port = await postern.until(() => portsOf(postern, 'dns')[0]);
  return { postern, port };
}

/** The bytes that come back for a datagram. */
async function datagram(port: number, bytes: Buffer, from = '127.0.0.1'): Promise<Buffer> {
  const socket = closeAfterTest(createSocket('udp4'), (open) => open.close());
  await new Promise<void>((resolve) => socket.bind(0, from, resolve));
  return await new Promise((resolve) => {
    socket.once('message', resolve);
    socket.send(bytes, port, '127.0.0.1');
  });
}

const ask = async (port: number, name: string, parts: QueryParts = {}): Promise<AnswerRead> =>
  readAnswer(await datagram(port, queryBytes(name, { more: [opt()], ...parts })));

const resolverOf = (port: number): Resolver => {
  const resolver = new Resolver({ timeout: 3_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${port}`]);
  return resolver;
};

const POLICY = `version: 1
rules:
  - { name: api, hosts: [api.test, both.test, missing.test, broken.test, inner.test, many.test], ports: [443, 8443] }
  - { name: wild, hosts: ["*.wild.test"] }
  - { name: closed, hosts: [closed.test], action: deny }
  - { name: passed, hosts: [passed.test], tls: passthrough }
`;

describe('a DNS listener', () => {
  const scene = shared(
    async () => {
      const many = Array.from({ length: 100 }, (_, index) => `93.184.216.${index + 1}`);
      const dns = await startDns({
        'api.test': [PUBLIC],
        'both.test': [PUBLIC, PUBLIC_SIX],
        'inner.test': ['10.1.2.3'],
        'many.test': many,
        'passed.test': [PUBLIC],
        'x.wild.test': [PUBLIC],
        'closed.test': [PUBLIC],
      });
      const { postern, port } = await startNames({ policies: POLICY, upstream: { dns: [`127.0.0.1:${dns.port}`] } });
      return { postern, port, dns };
    },
    ({ postern }) => expectUnharmed(postern),
  );

  it('answers for names that the policy allows, with judged addresses', async () => {
    const { port, postern } = scene();
    const resolver = resolverOf(port);
    expect(await resolver.resolve4('api.test')).toEqual([PUBLIC]);
    expect(await resolver.resolve4('passed.test')).toEqual([PUBLIC]);
    expect(await resolver.resolve4('x.wild.test')).toEqual([PUBLIC]);
    expect(await resolver.resolve6('both.test')).toEqual([PUBLIC_SIX]);
    expect((await resolver.resolve4('api.test', { ttl: true }))[0]?.ttl).toBe(30);
    const line = await postern.audited({ host: 'both.test', method: 'AAAA' });
    expect(line).toMatchObject({ ingress: 'dns', protocol: 'dns', decision: 'allow', code: null, sandbox: 'default' });
  });

  it('has no data for what it has not, and says that a name does not exist', async () => {
    const resolver = resolverOf(scene().port);
    await expect(resolver.resolve6('api.test')).rejects.toMatchObject({ code: 'ENODATA' });
    await expect(resolver.resolveCname('api.test')).rejects.toMatchObject({ code: 'ENODATA' });
    await expect(resolver.resolveTxt('api.test')).rejects.toMatchObject({ code: 'ENODATA' });
    await expect(resolver.resolve4('missing.test')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    expect(await ask(scene().port, 'api.test', { type: 65 })).toMatchObject({ rcode: 0, records: [] });
    expect(await ask(scene().port, 'api.test', { type: 64 })).toMatchObject({ rcode: 0, records: [] });
  });

  it.each([
    'unknown.test',
    'wild.test',
    'closed.test',
    'api.test.evil.test',
    'postern.internal',
    'data-0123456789.unknown.test',
  ])('refuses %s, and asks nobody', async (name) => {
    const { port, dns, postern } = scene();
    const before = dns.questions.length;
    const code = name === 'closed.test' ? 'RULE_DENIED' : 'HOST_DENIED';
    expect(await ask(port, name)).toMatchObject({ rcode: 5, records: [], edns: { code: 15, text: code } });
    expect(await postern.audited({ host: name })).toMatchObject({
      code,
      decision: 'deny',
      ingress: 'dns',
      method: 'A',
    });
    expect(dns.questions.length).toBe(before);
  });

  it('refuses a name that leads to private space', async () => {
    expect(await ask(scene().port, 'inner.test')).toMatchObject({
      rcode: 5,
      edns: { code: 15, text: 'ADDRESS_DENIED' },
    });
  });

  it('answers what asks for everything with a word', async () => {
    expect(await ask(scene().port, 'api.test', { type: 255 })).toMatchObject({
      rcode: 0,
      records: [[13, '\x07RFC8482\0']],
    });
    expect(await ask(scene().port, 'unknown.test', { type: 255 })).toMatchObject({ rcode: 5 });
  });

  it.each([
    ['a zone transfer', { type: 252 }, 5],
    ['the version of a server', { class: 3, type: 16 }, 5],
    ['every class', { class: 255 }, 5],
    ['an update', { flags: 0x2800 }, 4],
    ['two questions', { counts: [2, 0, 0, 0], more: [] }, 1],
    ['an unknown EDNS', { more: [opt({ version: 7 })] }, 16],
  ] as const)('refuses %s', async (_what, parts, rcode) => {
    expect((await ask(scene().port, 'api.test', parts)).rcode).toBe(rcode);
  });

  it('cuts an answer that is too large for UDP, which clients then ask for by TCP', async () => {
    const { port } = scene();
    const small = await datagram(port, queryBytes('many.test', { more: [opt()] }));
    expect(small.length).toBeLessThanOrEqual(1232);
    expect(readAnswer(small)).toMatchObject({ truncated: true, records: [] });
    expect(await resolverOf(port).resolve4('many.test')).toHaveLength(100);
  });

  it('answers several questions of a TCP connection in turn, however they are cut', async () => {
    const { port, postern } = scene();
    const client = await connectRaw(port);
    const framed = (bytes: Buffer): string => String.fromCharCode(0, bytes.length) + bytes.toString('latin1');
    const text = framed(queryBytes('api.test', { id: 1 })) + framed(queryBytes('unknown.test', { id: 2 }));
    for (const byte of text) client.send(byte);
    await client.until(/^[\s\S]{2}\0\x01\x81\x80[\s\S]+\0\x02\x81\x85/);
    client.send('\xff\xff');
    await client.untilEnded();
    client.end();
    await metricBecomes(postern, 'postern_connections{side="client"}', 0);
  });

  it('counts its TCP connections, and closes them when it drains', async () => {
    const own = await startNames({ policies: POLICY });
    const client = await connectRaw(own.port);
    await metricBecomes(own.postern, 'postern_connections{side="client"}', 1);
    expect(await own.postern.stop()).toBe(0);
    await client.untilEnded();
  });

  it('fails where the resolver does not answer', async () => {
    const silent = createSocket('udp4');
    await new Promise<void>((resolve) => silent.bind(0, '127.0.0.1', resolve));
    closeAfterTest(silent, () => silent.close());
    const { port } = silent.address() as AddressInfo;
    const own = await startNames({
      policies: POLICY,
      upstream: { dns: [`127.0.0.1:${port}`] },
      settings: { limits: { connect: '1s' } },
    });
    expect(await ask(own.port, 'api.test')).toMatchObject({ rcode: 2, edns: { code: 0, text: 'DNS_FAILED' } });
  });

  it('knows sandboxes by source and listener, and asks for no token', async () => {
    const rules = 'rules: [{ hosts: [api.test] }]';
    const own = await startNames({
      policies: {
        'one.yaml': `version: 1\nsandbox: { name: one, match: [{ source: 127.0.0.2/32 }] }\n${rules}\n`,
        'two.yaml': `version: 1\nsandbox: { name: two, match: [{ token: { file: ../token.txt } }] }\n${rules}\n`,
      },
      files: { 'token.txt': 'token-0123456789abc' },
      upstream: { hosts: { 'api.test': [PUBLIC] } },
    });
    const query = queryBytes('api.test', { more: [opt()] });
    expect(readAnswer(await datagram(own.port, query, '127.0.0.2')).records).toEqual([[1, PUBLIC]]);
    expect(readAnswer(await datagram(own.port, query, '127.0.0.3'))).toMatchObject({
      rcode: 5,
      edns: { code: 18, text: 'IDENTITY_CONFLICT' },
    });
  });

  it('takes an edit of the policy at once', async () => {
    const { port } = scene();
    const own = await startNames({
      policies: 'version: 1\nrules: []\n',
      upstream: { hosts: { 'api.test': [PUBLIC] } },
    });
    expect((await ask(own.port, 'api.test')).rcode).toBe(5);
    own.postern.write('policies/test.yaml', POLICY);
    await fetch(`${own.postern.adminUrl}/v1/reload`, { method: 'POST' });
    expect((await ask(own.port, 'api.test')).records).toEqual([[1, PUBLIC]]);
    expect(port).not.toBe(own.port);
  });

  it('asks no resolver for a host whose requests are forwarded elsewhere', async () => {
    const { dns } = scene();
    const before = dns.questions.length;
    const own = await startNames({
      policies: 'version: 1\nrules: [{ hosts: [api.test], forward: "https://audit.test/in" }]\n',
      upstream: { dns: [`127.0.0.1:${dns.port}`] },
      settings: { forward_to: [{ host: 'audit.test' }] },
    });
    expect((await ask(own.port, 'api.test')).rcode).toBe(2);
    expect(dns.questions.length).toBe(before);
  });

  it('asks no resolver for what goes through a parent proxy', async () => {
    const { dns } = scene();
    const before = dns.questions.length;
    const own = await startNames({
      policies: POLICY,
      upstream: { dns: [`127.0.0.1:${dns.port}`], proxy: { url: 'http://127.0.0.1:3128' } },
    });
    expect((await ask(own.port, 'api.test')).rcode).toBe(2);
    expect(dns.questions.length).toBe(before);
  });

  it('answers dig', async (context) => {
    if (!isInstalled('dig')) return context.skip('dig is not installed');
    const dig = async (...args: readonly string[]) =>
      (await runCommand('dig', ['@127.0.0.1', '-p', String(scene().port), '+tries=1', '+timeout=3', ...args])).stdout;
    expect(await dig('+short', 'api.test')).toBe(`${PUBLIC}\n`);
    expect(await dig('+short', '+tcp', 'both.test', 'AAAA')).toBe(`${PUBLIC_SIX}\n`);
    const refused = await dig('unknown.test');
    expect(refused).toContain('status: REFUSED');
    expect(refused).toMatch(/EDE: 15 \(Blocked\): \(HOST_DENIED\)/);
    expect(await dig('missing.test')).toContain('status: NXDOMAIN');
    expect((await dig('many.test')).match(/\tA\t/g)).toHaveLength(100);
    expect(await dig('any', 'api.test', '+notcp')).toMatch(/HINFO\s+"RFC8482" ""/);
  });
});

describe('a DNS listener beside a transparent one', () => {
  const transparent = [{ listen: '127.0.0.1:0', port: 443 }];

  it('answers allowed names with its own address, and asks nobody', async () => {
    const dns = await startDns({});
    const own = await startNames({
      policies: `${POLICY}introspect: true\n`,
      listen: { transparent },
      upstream: { dns: [`127.0.0.1:${dns.port}`] },
    });
    for (const name of ['api.test', 'x.wild.test', 'postern.internal'])
      expect((await ask(own.port, name)).records).toEqual([[1, '127.0.0.1']]);
    expect(await ask(own.port, 'api.test', { type: 28 })).toMatchObject({ rcode: 0, records: [] });
    expect((await ask(own.port, 'unknown.test')).rcode).toBe(5);
    expect((await ask(own.port, 'below.postern.internal')).rcode).toBe(5);
    expect(dns.questions).toEqual([]);
  });

  it('answers with what dns_answers says', async () => {
    const own = await startNames({
      policies: POLICY,
      listen: { transparent, dns: ['0.0.0.0:0'], dns_answers: ['172.16.42.1', 'fd00::1'] },
    });
    expect((await ask(own.port, 'api.test')).records).toEqual([[1, '172.16.42.1']]);
    expect((await ask(own.port, 'api.test', { type: 28 })).records).toEqual([[28, `fd00${'0'.repeat(27)}1`]]);
  });
});
