import { describe, expect, it } from 'vitest';
import { connectTo, expectUnharmed, getFrom, refusalOf, refusalOn } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { startDns } from '../support/dns.ts';
import { hello, serverNames } from '../support/hello-bytes.ts';
import { metric } from '../support/observed.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel, type RawClient } from '../support/raw-client.ts';

closeOpened();

const SECRET = 'real-secret-0123456789';
const TOKENS = { one: 'token-of-one-0123456789', two: 'token-of-two-0123456789', mute: 'token-of-mute-012345678' };

const policyOf = (name: keyof typeof TOKENS, introspect: boolean): string => `version: 1
sandbox: { name: ${name}, match: [{ token: { file: ../deep/token-${name}.txt } }] }
introspect: ${introspect}
secrets: { key-of-${name}: { file: ../deep/secret.txt } }
rules:
  - name: rule-of-${name}
    hosts: [${name}.example.com, postern.internal]
    schemes: [http, https]
    inject:
      - placeholder: { token: PSTRN-OF-${name.toUpperCase()}-0001, value: "\${key-of-${name}}", in: ["header:authorization"], misplaced: quarantine }
`;

const scene = shared(
  async () => {
    // Somebody who answers for the name: nobody may ever ask.
    const dns = await startDns({ 'postern.internal': ['127.0.0.1'] });
    const postern = await startPostern({
      policies: {
        'one.yaml': policyOf('one', true),
        'two.yaml': policyOf('two', true),
        'mute.yaml': policyOf('mute', false),
      },
      files: {
        'deep/secret.txt': SECRET,
        ...Object.fromEntries(Object.entries(TOKENS).map(([name, token]) => [`deep/token-${name}.txt`, token])),
      },
      settings: { upstream: { dns: [`127.0.0.1:${dns.port}`], hosts: { 'postern.internal': ['127.0.0.1'] } } },
    });
    return { postern, dns };
  },
  ({ postern }) => expectUnharmed(postern),
);

const PAGES = [
  '/ca.pem',
  '/bundle.pem',
  '/env',
  '/env?format=json',
  '/env?format=docker',
  '/policy',
  '/policy?format=json',
];

const credentials = (name: keyof typeof TOKENS): string =>
  `Proxy-Authorization: Basic ${Buffer.from(`${name}:${TOKENS[name]}`).toString('base64')}\r\n`;

/** The status line's code and the body of one answer, on a connection of its own that is closed after it. */
async function ask(postern: Postern, bytes: string): Promise<{ readonly head: string; readonly body: string }> {
  const client = await connectRaw(postern.proxyPort);
  client.send(bytes);
  client.end();
  const [head = '', ...body] = (await client.untilEnded()).split('\r\n\r\n');
  return { head, body: body.join('\r\n\r\n') };
}

const pageFor = (name: keyof typeof TOKENS, path: string, fields = ''): string =>
  getFrom('postern.internal', path, `${credentials(name)}${fields}`);

describe('what a sandbox may ask the proxy for', () => {
  it.each(PAGES)('%s is of the sandbox that asks, and holds no secret, no token and no file', async (path) => {
    const { postern } = scene();
    const { head, body } = await ask(postern, pageFor('one', path));
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(head).toMatch(/\r\ncache-control: no-store/i);
    const whole = head + body;
    for (const hidden of [
      SECRET,
      ...Object.values(TOKENS),
      'deep',
      '.yaml',
      '.txt',
      postern.folder,
      'ca-key',
      'PRIVATE',
    ])
      expect(whole).not.toContain(hidden);
    for (const other of ['two', 'TWO', 'mute', 'MUTE'])
      expect(whole).not.toMatch(new RegExp(`of-${other}|${other}\\.`));
  });

  it('differs between two sandboxes on one connection, as their tokens do', async () => {
    const client = await connectRaw(scene().postern.proxyPort);
    for (const name of ['one', 'two', 'one'] as const) {
      client.send(pageFor(name, '/policy?format=json'));
      const text = await client.take(/\r\n\r\n\{[\s\S]*?\n\}\n/);
      expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n')))).toMatchObject({ sandbox: name });
    }
  });

  it('has placeholders, and where they may stand', async () => {
    const { body } = await ask(scene().postern, pageFor('two', '/env'));
    expect(body).toContain("export POSTERN_PLACEHOLDER_KEY_OF_TWO='PSTRN-OF-TWO-0001'\n");
  });

  it('is nothing without a token, with another one, or where the policy does not say so', async () => {
    const { postern } = scene();
    for (const path of PAGES) {
      expect(await refusalOf(postern, getFrom('postern.internal', path))).toBe('407 TOKEN_REQUIRED');
      expect(await refusalOf(postern, pageFor('mute', path))).toBe('403 HOST_DENIED');
    }
    const wrong = `Proxy-Authorization: Basic ${Buffer.from(`one:${TOKENS.two}`).toString('base64')}\r\n`;
    expect(await refusalOf(postern, getFrom('postern.internal', '/env', wrong))).toBe('407 TOKEN_REQUIRED');
    expect(await refusalOf(postern, connectTo('postern.internal:80', credentials('mute')))).toBe('403 HOST_DENIED');
  });
});

describe('an attempt to get more of it', () => {
  const one = credentials('one');

  it.each([
    ['another port', getFrom('postern.internal:8080', '/env', one), '403 HOST_DENIED'],
    ['the port of https', getFrom('postern.internal:443', '/env', one), '403 HOST_DENIED'],
    ['a name below', getFrom('x.postern.internal', '/env', one), '403 HOST_DENIED'],
    ['a tunnel for TLS', connectTo('postern.internal:443', one), '403 HOST_DENIED'],
    [
      'an https target',
      `GET https://postern.internal/env HTTP/1.1\r\nHost: postern.internal\r\n${one}\r\n`,
      '400 TARGET_INVALID',
    ],
    [
      'another Host',
      `GET http://postern.internal/env HTTP/1.1\r\nHost: one.example.com\r\n${one}\r\n`,
      '421 TARGET_MISMATCH',
    ],
    [
      'itself as Host of another',
      `GET http://one.example.com/env HTTP/1.1\r\nHost: postern.internal\r\n${one}\r\n`,
      '421 TARGET_MISMATCH',
    ],
    ['a user in the target', getFrom('two@postern.internal', '/env', one), '400 TARGET_INVALID'],
    ['no Host', `GET http://postern.internal/env HTTP/1.1\r\n${one}\r\n`, '400 REQUEST_INVALID'],
    ['two Hosts', getFrom('postern.internal', '/env', `Host: postern.internal\r\n${one}`), '400 HEADERS_AMBIGUOUS'],
    ['two identities', getFrom('postern.internal', '/env', one + credentials('two')), '400 HEADERS_AMBIGUOUS'],
    ['origin-form', `GET /env HTTP/1.1\r\nHost: postern.internal\r\n${one}\r\n`, '400 TARGET_INVALID'],
    ['an escaped path', getFrom('postern.internal', '/%65nv', one), '404 NOT_FOUND'],
    ['dot segments', getFrom('postern.internal', '/x/../env', one), '404 NOT_FOUND'],
    ['the key', getFrom('postern.internal', '/ca-key.pem', one), '404 NOT_FOUND'],
    ['the admin listener', getFrom('postern.internal', '/v1/status', one), '404 NOT_FOUND'],
    ['metrics', getFrom('postern.internal', '/metrics', one), '404 NOT_FOUND'],
    ['the root', getFrom('postern.internal', '/', one), '404 NOT_FOUND'],
    ['POST', getFrom('postern.internal', '/env', one).replace('GET', 'POST'), '405 METHOD_NOT_ALLOWED'],
    ['PUT', getFrom('postern.internal', '/policy', one).replace('GET', 'PUT'), '405 METHOD_NOT_ALLOWED'],
    [
      'a method of its own',
      getFrom('postern.internal', '/policy', one).replace('GET', 'get'),
      '405 METHOD_NOT_ALLOWED',
    ],
    ['TRACE', getFrom('postern.internal', '/env', one).replace('GET', 'TRACE'), '403 METHOD_DENIED'],
  ])('by %s is refused', async (_attack, bytes, code) => {
    expect(await refusalOf(scene().postern, bytes)).toBe(code);
  });

  it.each([
    ['a line break in the folder', '/env?ca_at=/a%0Aexport%20X=1'],
    ['a carriage return in it', '/env?ca_at=/a%0D%0AX-Y:%201'],
    ['a folder that is none', '/env?ca_at=ca'],
    ['a folder without end', `/env?ca_at=/${'a'.repeat(1024)}`],
    ['a proxy with a line break', '/env?proxy=http://p:1/%0Aexport%20X=1'],
    ['a proxy that is none', '/env?proxy=javascript:1'],
    ['a proxy with a path', '/env?proxy=http://p:1/%27;id'],
    ['a format that is none', '/env?format=yaml'],
    ['two formats', '/env?format=sh&format=json'],
    ['a format of the policy that is none', '/policy?format=html'],
  ])('by %s in a parameter is refused, and not repeated', async (_attack, path) => {
    const { postern } = scene();
    const { head, body } = await ask(postern, pageFor('one', path));
    expect(head).toMatch(/^HTTP\/1\.1 400 REQUEST_INVALID\r\n/);
    expect(body).toMatch(/"hint":"(Write|Name|Say|Send) /);
    expect(head + body).not.toMatch(/export|X-Y|javascript|yaml/i);
  });

  it('by a quote in a parameter stays inside the quotes of the shell', async () => {
    const { body } = await ask(scene().postern, pageFor('one', "/env?ca_at=/a'$(id)'"));
    expect(body).toContain("export NODE_EXTRA_CA_CERTS='/a'\\''$(id)'\\''/ca.pem'\n");
  });

  it('by a body gets the page once, and no second request out of it', async () => {
    const smuggled = pageFor('two', '/policy');
    const { head, body } = await ask(
      scene().postern,
      pageFor('one', '/ca.pem', `Content-Length: ${smuggled.length}\r\n`) + smuggled,
    );
    expect(head).toMatch(/\r\nconnection: close/i);
    expect(body).toMatch(/^-----BEGIN CERTIFICATE-----[\s\S]*-----END CERTIFICATE-----\n$/);
  });

  it('by HEAD gets no body, which would be read as the next answer', async () => {
    const client = await connectRaw(scene().postern.proxyPort);
    client.send(pageFor('one', '/ca.pem').replace('GET', 'HEAD') + pageFor('one', '/x'));
    expect(await client.until(/^HTTP\/1\.1 200 OK\r\n(?:[^\r]+\r\n)+\r\nHTTP\/1\.1 404 /)).toBeTruthy();
  });

  it('by an upgrade gets a page and no tunnel', async () => {
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n';
    const { head } = await ask(
      scene().postern,
      pageFor('one', '/policy', `${upgrade}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n`),
    );
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(head).not.toMatch(/upgrade/i);
  });

  it('by a placeholder in the request is no misuse: it goes nowhere', async () => {
    const { postern } = scene();
    const { head } = await ask(postern, pageFor('one', '/policy', 'X-Note: PSTRN-OF-ONE-0001\r\n'));
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect((await ask(postern, pageFor('one', '/policy'))).head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });
});

describe('a tunnel to the proxy itself', () => {
  const tunnel = (): Promise<RawClient> =>
    connectTunnel(scene().postern.proxyPort, 'postern.internal:80', credentials('one'));

  it('carries the pages of the one that opened it, whoever is named inside', async () => {
    const client = await tunnel();
    for (const fields of ['', credentials('two')]) {
      client.send(`GET /policy?format=json HTTP/1.1\r\nHost: postern.internal\r\n${fields}\r\n`);
      expect(await client.take(/\n\}\n/)).toContain('"sandbox": "one"');
    }
  });

  it('leads to no other host, and to no other port', async () => {
    const other = await tunnel();
    other.send('GET / HTTP/1.1\r\nHost: one.example.com\r\n\r\n');
    expect(await refusalOn(other)).toBe('421 TARGET_MISMATCH');
  });

  it('speaks no TLS', async () => {
    const client = await tunnel();
    client.socket.write(hello({ extensions: [serverNames([0, 'postern.internal'])] }));
    expect(await client.untilEnded()).toBe('');
    expect(await scene().postern.audited({ code: 'PROTOCOL_DENIED', host: 'postern.internal' })).toMatchObject({
      reason: 'TLS is spoken to the proxy itself',
      sandbox: 'one',
    });
  });
});

describe('what is recorded of it', () => {
  it('is a line and a count like any other, without a rule, and without the query', async () => {
    const { postern } = scene();
    const series = 'postern_requests_total{sandbox="two",rule="",decision="allow",code="",protocol="h1"}';
    const before = await metric(postern, series);
    const { body } = await ask(postern, pageFor('two', '/env?ca_at=/not-in-the-log'));
    const line = await postern.audited({ sandbox: 'two', path: '/env', status: 200, bytes_in: body.length });
    expect(line).toMatchObject({ method: 'GET', host: 'postern.internal', port: 80, scheme: 'http', rule: null });
    expect(line).toMatchObject({ decision: 'allow', code: null, injected: [], address: null, bytes_out: 0 });
    expect(postern.stdout + postern.stderr).not.toContain('not-in-the-log');
    expect(await metric(postern, series)).toBe(before + 1);
  });

  it('is that nobody was asked for the name', () => {
    expect(scene().dns.questions).toEqual([]);
  });
});
