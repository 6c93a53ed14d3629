import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { startDns } from '../support/dns.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { launchPostern, type Postern, startPostern } from '../support/postern.ts';
import { connectRaw } from '../support/raw-client.ts';
import { loopback, startScene } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

async function reload(postern: Postern): Promise<string> {
  return await (await fetch(`${postern.adminUrl}/v1/reload`, { method: 'POST' })).text();
}

/** One plain-HTTP request on a connection of its own; the answer. */
async function ask(postern: Postern, host: string, port: number): Promise<string> {
  const client = await connectRaw(postern.proxyPort);
  client.send(`GET http://${host}:${port}/ HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`);
  return await client.untilEnded();
}

const plainRule = (port: number, more = ''): string =>
  `rules:\n  - { hosts: [plain.test], schemes: [http], ports: [${port}]${more} }\n`;

describe('a refusal', () => {
  it('says its code in the head, for programs and people, and stands in the audit', async () => {
    const { postern } = await startScene();
    const answer = await ask(postern, 'evil.test', 80);
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    expect(head).toMatch(
      /^HTTP\/1\.1 403 HOST_DENIED\r\nX-Postern-Error: HOST_DENIED\r\nX-Postern-Id: \S+\r\nProxy-Status: postern; error=\S+; details="HOST_DENIED"/,
    );
    const { error } = JSON.parse(body) as { error: Record<string, unknown> };
    expect(Object.keys(error)).toEqual(['code', 'message', 'host', 'rule', 'hint', 'id']);
    expect(error).toMatchObject({
      code: 'HOST_DENIED',
      host: 'evil.test',
      rule: null,
      id: /X-Postern-Id: (\S+)/.exec(head)?.[1],
    });
    expect(await postern.audited({ host: 'evil.test' })).toMatchObject({
      decision: 'deny',
      code: 'HOST_DENIED',
      status: 403,
      id: error.id,
    });
  });
});

describe('what is not known', () => {
  it('is denied: without policies, everything', async () => {
    const postern = await startPostern({ policies: {} });
    expect(await ask(postern, 'plain.test', 80)).toMatch(/^HTTP\/1\.1 (403|503) /);
    const client = await connectRaw(postern.proxyPort);
    client.send('CONNECT origin.test:443 HTTP/1.1\r\n\r\n');
    expect(await client.untilEnded()).toMatch(/^HTTP\/1\.1 (403|503) /);
  });

  it('is denied: a name that does not resolve', async () => {
    const dns = await startDns({});
    const postern = await startPostern({
      policies: `version: 1\nrules:\n  - { hosts: [nowhere.test], schemes: [http], ports: [80] }\n`,
      settings: { upstream: { dns: [`127.0.0.1:${dns.port}`] } },
    });
    expect(await ask(postern, 'nowhere.test', 80)).toMatch(/^HTTP\/1\.1 502 DNS_FAILED\r\n/);
  });

  it.each([
    ['is not there', (): void => {}],
    ['is empty', (postern: Postern) => postern.write('late.txt', '\n')],
    ['holds a line end', (postern: Postern) => postern.write('late.txt', 'two\nlines')],
    ['holds NUL', (postern: Postern) => postern.write('late.txt', 'a\0b')],
    [
      'may be written by everyone',
      (postern: Postern) => {
        postern.write('late.txt', 'value-0123456789');
        chmodSync(join(postern.folder, 'late.txt'), 0o666);
      },
    ],
    [
      'is a folder',
      (postern: Postern) => {
        postern.write('late.txt/x', 'value-0123456789');
      },
    ],
    ['is larger than any secret', (postern: Postern) => postern.write('late.txt', 'a'.repeat(65 * 1024))],
  ])(
    'is not guessed: a secret whose file %s answers 503 where it is needed, and the origin sees nothing',
    async (_name, prepare) => {
      const origin = await startOrigin({ onConnection: answering(OK) });
      const policies = `version: 1\nsecrets: { late: { file: ../late.txt } }\n${plainRule(origin.port, ', inject: [{ bearer: "${late}" }]')}`;
      const postern = await startPostern({ policies, ...loopback() });
      prepare(postern);
      await reload(postern);
      expect(await ask(postern, 'plain.test', origin.port)).toMatch(/^HTTP\/1\.1 503 SECRET_UNAVAILABLE\r\n/);
      expect(origin.connections.every(({ received }) => received === '')).toBe(true);
      // Mended, it works without a restart.
      rmSync(join(postern.folder, 'late.txt'), { recursive: true, force: true });
      postern.write('late.txt', 'value-0123456789');
      await reload(postern);
      expect(await ask(postern, 'plain.test', origin.port)).toMatch(/ok$/);
    },
  );
});

const BROKEN: readonly (readonly [what: string, text: (port: number) => string])[] = [
  ['is not YAML', () => 'version: 1\nrules: [\n'],
  ['is empty', () => ''],
  ['is of another version', (port) => `version: 2\n${plainRule(port)}`],
  ['has an unknown key', (port) => `version: 1\nrulez: []\n${plainRule(port)}`],
  ['has a key twice', (port) => `version: 1\n${plainRule(port)}rules: []\n`],
  ['has an unknown tag', (port) => `version: !!js/function 1\n${plainRule(port)}`],
  ['has a host that is not canonical', (port) => `version: 1\n${plainRule(port).replace('plain.test', 'PLAIN.test')}`],
  ['has a pattern over a public suffix', (port) => `version: 1\n${plainRule(port).replace('plain.test', '"*.com"')}`],
  [
    'names a secret that it does not have',
    (port) => `version: 1\n${plainRule(port, ', inject: [{ bearer: "${none}" }]')}`,
  ],
  ['has a rule key in the wrong type', (port) => `version: 1\n${plainRule(port, ', methods: GET')}`],
  [
    'has an alias bomb',
    (port) => `version: 1\na: &a [x,x,x,x,x,x,x,x,x]\nb: [*a,*a,*a,*a,*a,*a,*a]\n${plainRule(port)}`,
  ],
];

describe('a policy that', () => {
  it.each(BROKEN)('%s denies its sandbox everything if it never loaded, and others go on', async (_what, text) => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const named = (name: string, source: string): string =>
      `sandbox: { name: ${name}, match: [{ source: ${source} }] }\n`;
    const good = `version: 1\n${named('good', '127.0.0.2/32')}${plainRule(origin.port)}`;
    const postern = await startPostern({
      policies: { 'bad.yaml': `${text(origin.port)}\n${named('bad', '127.0.0.1/32')}`, 'good.yaml': good },
      ...loopback(),
    });
    expect(await ask(postern, 'plain.test', origin.port)).toMatch(/^HTTP\/1\.1 (403|503) [A-Z_]+\r\n/);
    expect(origin.connections).toHaveLength(0);
    expect(postern.stderr).toContain('bad.yaml');
  });

  it.each(BROKEN)('%s keeps the last good one in force, and is reported', async (_what, text) => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const postern = await startPostern({ policies: `version: 1\n${plainRule(origin.port)}`, ...loopback() });
    postern.write('policies/test.yaml', text(origin.port));
    expect(await reload(postern)).toContain('test.yaml');
    expect(await ask(postern, 'plain.test', origin.port)).toMatch(/ok$/);
    expect(await ask(postern, 'evil.test', 80)).toMatch(/HOST_DENIED/);
  });

  it('goes away leaves its sandbox denied, not open', async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const policies = {
      'one.yaml': `version: 1\nsandbox: { name: one, match: [{ source: 127.0.0.1/32 }] }\n${plainRule(origin.port)}`,
      'two.yaml': `version: 1\nsandbox: { name: two, match: [{ source: 127.0.0.2/32 }] }\n${plainRule(origin.port)}`,
    };
    const postern = await startPostern({ policies, ...loopback() });
    expect(await ask(postern, 'plain.test', origin.port)).toMatch(/ok$/);
    rmSync(join(postern.folder, 'policies/one.yaml'));
    await reload(postern);
    expect(await ask(postern, 'plain.test', origin.port)).toMatch(/^HTTP\/1\.1 503 POLICY_UNAVAILABLE\r\n/);
  });
});

describe('postern.yaml that does not load', () => {
  it.each([
    ['an unknown key', 'version: 1\nlisten: { proxy: ["127.0.0.1:0"] }\nlimitz: {}\n'],
    ['an address that is none', 'version: 1\nlisten: { proxy: ["here"] }\n'],
    [
      'a trust file that is not there',
      'version: 1\nlisten: { proxy: ["127.0.0.1:0"] }\nupstream: { trust: [none.pem] }\n',
    ],
    ['a broken line', 'version: 1\nlisten: {\n'],
  ])('for %s ends the start with exit 1 and says where', async (_name, text) => {
    const postern = launchPostern({ policies: 'version: 1\nrules: []\n', files: { 'postern.yaml': text } });
    await expect(postern.until(() => undefined)).rejects.toThrow(/postern ended \(1\)/);
    expect(postern.stderr).toMatch(/(postern\.yaml|none\.pem):\d+:\d+ {2}/);
  });

  it('later keeps the one in force', async () => {
    const { postern, authority, tunnel } = await startScene({ origin: { onConnection: answering(OK) } });
    postern.write('postern.yaml', 'version: 1\nlimits: { connections: none }\n');
    expect(await reload(postern)).toContain('postern.yaml');
    const client = await tunnel();
    client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await client.take(/ok$/);
  });
});
