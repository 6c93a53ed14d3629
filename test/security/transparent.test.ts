import { describe, expect, it } from 'vitest';
import { expectUnharmed, getInside, OK, refusalOn } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { startDns } from '../support/dns.ts';
import { extension, hello, serverNames } from '../support/hello-bytes.ts';
import { metricBecomes } from '../support/observed.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { connectRaw } from '../support/raw-client.ts';
import { certificateFor, loopback, SECRET, seenBy } from '../support/scene.ts';
import { byName, NO_AUTH } from '../support/socks.ts';
import { portsOf, startTransparent } from '../support/transparent.ts';

closeOpened();

const SSL_REQUEST = '\x00\x00\x00\x08\x04\xd2\x16\x2f';
const GSSENC_REQUEST = '\x00\x00\x00\x08\x04\xd2\x16\x30';
const CANCEL_REQUEST = `\x00\x00\x00\x10\x04\xd2\x16\x2e${'\x00'.repeat(8)}`;
/** The alert that a denied ClientHello is answered with. */
const ACCESS_DENIED = '\x15\x03\x03\x00\x02\x02\x31';

/** Whatever gets as far as DNS leads to the origins. */
const scene = shared(
  async () => {
    const origin = await startOrigin({ tls: certificateFor('origin.test'), onConnection: answering(OK) });
    const opaque = await startOrigin({
      onConnection: ({ socket }) => socket.on('end', () => socket.end()),
    });
    const dns = await startDns({ 'evil.test': ['127.0.0.1'], 'metadata.test': ['169.254.169.254'] });
    const policies = `version: 1
introspect: true
secrets: { token: { file: ../secret.txt } }
rules:
  - { name: own, hosts: [origin.test, metadata.test], schemes: [http, https], ports: [${origin.port}], inject: [{ bearer: "\${token}" }] }
  - { hosts: [other.test, "127.0.0.1"], ports: [${opaque.port}], tls: passthrough }
`;
    const base = loopback({ client_head: '1s' });
    const upstream = { ...(base.settings?.upstream as object), dns: [`127.0.0.1:${dns.port}`] };
    const listen = {
      proxy: ['127.0.0.1:0'],
      transparent: [origin.port, opaque.port, 80].map((port) => ({ listen: '127.0.0.1:0', port })),
    };
    const { postern, redirected } = await startTransparent([origin.port, opaque.port, 80], {
      policies,
      settings: { ...base.settings, listen, upstream },
    });
    return { postern, redirected, origin, opaque, dns };
  },
  ({ postern, origin, opaque }) => {
    expectUnharmed(postern);
    expect(seenBy(origin)).not.toMatch(/evil|unknown/);
    expect(seenBy(opaque)).not.toContain(SECRET);
  },
);

const named = (name: string): string => hello({ extensions: [serverNames([0, name])] }).toString('latin1');

/** What comes back for bytes, once the connection has ended. */
async function answerTo(bytes: string, port = scene().opaque.port): Promise<string> {
  const client = await scene().redirected(port);
  client.send(bytes);
  return await client.untilEnded();
}

describe('a redirected ClientHello', () => {
  it.each([
    ['of another host', 'evil.test'],
    ['of an address', '127.0.0.1'],
    ['of an address in brackets', '[::1]'],
    ['of a short address', '127.1'],
    ['of the proxy itself', 'postern.internal'],
    ['with NUL', 'other.test\0.evil.test'],
    ['with two final dots', 'other.test..'],
    ['with a port', 'other.test:443'],
    ['with a wildcard', '*.test'],
    ['with an empty label', 'other..test'],
    ['of the intercepted host, on the port of the other', 'origin.test'],
  ])('%s is refused', async (_attack, name) => {
    const { dns, opaque } = scene();
    const before = dns.questions.length;
    expect(await answerTo(named(name))).toBe(ACCESS_DENIED);
    expect(dns.questions.length).toBe(before);
    expect(seenBy(opaque)).toBe('');
  });

  it.each([
    ['no server name', []],
    ['two server names', [serverNames([0, 'other.test'], [0, 'evil.test'])]],
    ['the extension twice', [serverNames([0, 'other.test']), serverNames([0, 'evil.test'])]],
    ['a name of another kind', [serverNames([1, 'other.test'])]],
    ['an empty name', [serverNames([0, ''])]],
  ])('with %s is refused', async (_attack, extensions) => {
    expect(await answerTo(hello({ extensions }).toString('latin1'))).toBe(ACCESS_DENIED);
    expect(seenBy(scene().opaque)).toBe('');
  });

  it('with ECH counts by its outer name', async () => {
    const outer = hello({ extensions: [serverNames([0, 'evil.test']), extension(0xfe0d, Buffer.from('other.test'))] });
    expect(await answerTo(outer.toString('latin1'))).toBe(ACCESS_DENIED);
  });

  it('that leads to a metadata address is refused', async () => {
    expect(await answerTo(named('metadata.test'), scene().origin.port)).toBe(ACCESS_DENIED);
  });

  it('is read however it is cut, and no larger than one can be', async () => {
    const { redirected, opaque, postern } = scene();
    const bytes = hello(
      { extensions: [serverNames([0, 'other.test']), extension(21, Buffer.alloc(600))] },
      100,
    ).toString('latin1');
    const client = await redirected(opaque.port);
    for (const byte of bytes) client.send(byte);
    await opaque.next().then((connection) => connection.until(new RegExp(`^[\\s\\S]{${bytes.length}}`)));
    client.socket.destroy();
    const huge = await answerTo(`\x16\x03\x01\x40\x00\x01\x7f\xff\xff${'x'.repeat(16_380)}`);
    expect(huge).toBe(ACCESS_DENIED);
    await postern.until(() => postern.audit.find(({ reason }) => /too-large/.test(String(reason))));
  });

  it('that never becomes whole is ended in time, and one that never begins, too', async () => {
    const { postern, redirected, opaque } = scene();
    const slow = await redirected(opaque.port);
    slow.send(named('other.test').slice(0, 20));
    const silent = await redirected(opaque.port);
    expect(await slow.untilEnded()).toBe(ACCESS_DENIED);
    expect(await silent.untilEnded()).toBe('');
    await postern.audited({ code: 'REQUEST_TIMEOUT', ingress: 'transparent' });
  });

  it('whose client leaves in the middle leaves nothing', async () => {
    const { postern, redirected, opaque } = scene();
    const client = await redirected(opaque.port);
    client.send(named('other.test').slice(0, 20));
    client.end();
    await client.untilEnded();
    await postern.audited({ code: 'REQUEST_INVALID', ingress: 'transparent' });
    await metricBecomes(postern, 'postern_connections{side="client"}', 0);
  });
});

describe('redirected bytes that are neither TLS nor HTTP', () => {
  it.each([
    ['SOCKS5', NO_AUTH + byName('other.test', 443)],
    ['SOCKS4', '\x04\x01\x01\xbb\x7f\x00\x00\x01\x00'],
    ['SSH', 'SSH-2.0-OpenSSH_9.6p1 Debian-3\r\n'],
    ['Redis without TLS', '*1\r\n$4\r\nPING\r\n'],
    ['HTTP/0.9', 'GET /\r\n'],
    ['zeros', '\0'.repeat(64)],
    ['another TLS record', '\x17\x03\x03\x00\x05hello'],
    ['SSLv2', '\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10'],
    ['a long word', 'A'.repeat(40)],
    ['the MySQL client', '\x20\x00\x00\x01\x85\xae\x03\x00\x00\x00\x00\x01'],
  ])('are refused: %s', async (_what, bytes) => {
    const { postern, opaque } = scene();
    const before = postern.audit.length;
    const seenBefore = seenBy(opaque);
    expect(await answerTo(bytes)).toBe('');
    await postern.until(() => postern.audit.slice(before).find(({ code }) => code === 'PROTOCOL_DENIED'));
    expect(seenBy(opaque)).toBe(seenBefore);
  });
});

describe("PostgreSQL's questions before TLS", () => {
  it.each([
    ['a ClientHello behind it at once', `${SSL_REQUEST}${named('other.test')}`, /^$/],
    ['a startup message behind it at once', `${SSL_REQUEST}\0\0\0\x09\0\x03\0\0\0`, /^$/],
    ['GSSAPI and TLS at once', GSSENC_REQUEST + SSL_REQUEST, /^$/],
    ['a request to cancel', CANCEL_REQUEST, /^$/],
    ['another length', '\x00\x00\x00\x09\x04\xd2\x16\x2f\x00', /^$/],
  ])('are refused with %s', async (_attack, bytes, wanted) => {
    expect(await answerTo(bytes)).toMatch(wanted);
  });

  it.each([
    ['the same question', SSL_REQUEST],
    ['a startup message', '\0\0\0\x09\0\x03\0\0\0'],
    ['HTTP', getInside('other.test')],
  ])('take nothing but a ClientHello next: %s', async (_attack, next) => {
    const { redirected, opaque } = scene();
    const client = await redirected(opaque.port);
    client.send(SSL_REQUEST);
    await client.take(/^S/);
    client.send(next);
    expect(await client.untilEnded()).toBe('');
  });

  it.each([
    ['GSSAPI', GSSENC_REQUEST, /^N/],
    ['TLS', SSL_REQUEST, /^S/],
  ])('and then silence, or leaving, stand in the audit: %s', async (_what, question, answer) => {
    const { postern, redirected, opaque } = scene();
    const before = postern.audit.length;
    const codes = (code: string) => postern.audit.slice(before).find((line) => line.code === code);
    const [silent, leaving] = [await redirected(opaque.port), await redirected(opaque.port)];
    for (const client of [silent, leaving]) {
      client.send(question);
      await client.take(answer);
    }
    leaving.end();
    await postern.until(() => codes('REQUEST_INVALID'));
    await postern.until(() => codes('REQUEST_TIMEOUT'));
  });

  it('may not ask for GSSAPI twice', async () => {
    const { redirected, opaque } = scene();
    const client = await redirected(opaque.port);
    client.send(GSSENC_REQUEST);
    await client.take(/^N/);
    client.send(GSSENC_REQUEST);
    expect(await client.untilEnded()).toBe('');
  });
});

describe('a redirected request', () => {
  const own = (): string => `origin.test:${scene().origin.port}`;
  const ask = async (head: string, port = scene().origin.port): Promise<string> => {
    const client = await scene().redirected(port);
    client.send(head);
    return await refusalOn(client);
  };

  it.each<[string, () => string, string]>([
    ['another port in Host', () => getInside('origin.test:81'), '421 TARGET_MISMATCH'],
    ['no port in Host', () => getInside('origin.test'), '421 TARGET_MISMATCH'],
    ['no Host', () => 'GET / HTTP/1.1\r\n\r\n', '400 REQUEST_INVALID'],
    ['no Host, HTTP/1.0', () => 'GET / HTTP/1.0\r\n\r\n', '403 ADDRESS_DENIED'],
    ['two Hosts', () => getInside(own(), '/', 'Host: evil.test\r\n'), '400 HEADERS_AMBIGUOUS'],
    ['user information in Host', () => getInside(`evil.test@${own()}`), '400 REQUEST_INVALID'],
    [
      'another host in the target',
      () => `GET http://evil.test:${scene().origin.port}/ HTTP/1.1\r\nHost: ${own()}\r\n\r\n`,
      '421 TARGET_MISMATCH',
    ],
    [
      'another scheme in the target',
      () => `GET https://${own()}/ HTTP/1.1\r\nHost: ${own()}\r\n\r\n`,
      '400 TARGET_INVALID',
    ],
    ['CONNECT', () => `CONNECT ${own()} HTTP/1.1\r\nHost: ${own()}\r\n\r\n`, '403 METHOD_DENIED'],
    [
      'CONNECT to another host',
      () => `CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n`,
      '403 METHOD_DENIED',
    ],
    ['a host that no rule names', () => getInside(`evil.test:${scene().origin.port}`), '403 HOST_DENIED'],
    ['an address', () => getInside(`127.0.0.1:${scene().origin.port}`), '403 HOST_DENIED'],
    ['a metadata address behind a name', () => getInside(`metadata.test:${scene().origin.port}`), '403 ADDRESS_DENIED'],
  ])('with %s is refused', async (_attack, head, wanted) => {
    expect(await ask(head())).toBe(wanted);
  });

  it('of the passthrough host does not go in plain text', async () => {
    expect(await ask(getInside(`other.test:${scene().opaque.port}`), scene().opaque.port)).toMatch(/^403 /);
  });

  it('brings no token and no name of a sandbox', async () => {
    const fields = `Proxy-Authorization: Basic ${btoa('root:x')}\r\n`;
    expect(await ask(getInside(`evil.test:${scene().origin.port}`, '/', fields))).toBe('403 HOST_DENIED');
  });
});

it('a transparent listener is not reached through the proxy, nor through itself', async () => {
  const { postern } = scene();
  const ports = portsOf(postern, 'transparent');
  const { postern: open } = await startTransparent([443], {
    policies: `version: 1
rules: [{ hosts: ["127.0.0.1", loop.test], schemes: [http, https], ports: [${ports}] }]
subnets: { allow: [{ cidr: 127.0.0.0/8, ports: [${ports}] }] }
`,
    settings: {
      listen: { proxy: ['127.0.0.1:0'], transparent: [{ listen: '127.0.0.1:0', port: 443 }] },
      upstream: { allow_addresses: ['127.0.0.0/8'], hosts: { 'loop.test': ['127.0.0.1'] } },
    },
  });
  const [own = 0] = portsOf(open, 'transparent');
  open.write(
    'policies/test.yaml',
    `version: 1\nrules: [{ hosts: [loop.test, "127.0.0.1"], schemes: [http, https], ports: [${own}] }]\n`,
  );
  await fetch(`${open.adminUrl}/v1/reload`, { method: 'POST' });
  for (const host of ['loop.test', '127.0.0.1']) {
    const client = await connectRaw(open.proxyPort);
    client.send(`CONNECT ${host}:${own} HTTP/1.1\r\nHost: ${host}:${own}\r\n\r\n`);
    expect(await refusalOn(client)).toBe('403 ADDRESS_DENIED');
  }
});
