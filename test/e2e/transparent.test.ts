import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { expectUnharmed, getInside, OK, refusalOn } from '../support/attack.ts';
import { closeAfterTest, closeOpened, shared } from '../support/closing.ts';
import { listening } from '../support/listening.ts';
import { metricBecomes } from '../support/observed.ts';
import { answering, type OriginConnection, startOrigin } from '../support/origin.ts';
import { connectUnix, type RawClient } from '../support/raw-client.ts';
import { certificateFor, loopback, SECRET } from '../support/scene.ts';
import { startTransparent } from '../support/transparent.ts';

closeOpened();

const SSL_REQUEST = '\x00\x00\x00\x08\x04\xd2\x16\x2f';
const GSSENC_REQUEST = '\x00\x00\x00\x08\x04\xd2\x16\x30';

/** A server that answers PostgreSQL's question as it is told, and echoes what is sent inside TLS. */
async function startDatabase(answer: string): Promise<{ readonly port: number; readonly asked: () => string }> {
  let asked = '';
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (bytes) => {
      asked += bytes.toString('latin1');
      socket.write(answer, 'latin1');
      if (answer !== 'S') return;
      const secure = new TLSSocket(socket, { isServer: true, ...certificateFor('other.test') });
      secure.on('error', () => {});
      secure.pipe(secure);
    });
  });
  return { port: await listening(server), asked: () => asked };
}

function answeringToTheEnd(connection: OriginConnection): void {
  connection.socket.on('end', () => connection.socket.end());
  answering(OK)(connection);
}

const scene = shared(
  async () => {
    const origin = await startOrigin({ tls: certificateFor('origin.test'), onConnection: answering(OK) });
    const plain = await startOrigin({ onConnection: answering(OK) });
    const opaque = await startOrigin({ tls: certificateFor('other.test'), onConnection: answeringToTheEnd });
    const database = await startDatabase('S');
    const noTls = await startDatabase('N');
    const stuffing = await startDatabase('SE');
    const passed = [opaque.port, database.port, noTls.port, stuffing.port];
    const policies = `version: 1
introspect: true
secrets: { token: { file: ../secret.txt } }
rules:
  - { name: own, hosts: [origin.test], ports: [${origin.port}], paths: ["/ok/**", "/"], inject: [{ bearer: "\${token}" }] }
  - { name: plain, hosts: [plain.test], schemes: [http], ports: [${plain.port}] }
  - { name: passed, hosts: [other.test], ports: [${passed}], tls: passthrough }
`;
    const meant = [origin.port, plain.port, 80, ...passed];
    const { postern, redirected } = await startTransparent(meant, { policies });
    return { postern, redirected, origin, plain, opaque, database, noTls, stuffing };
  },
  ({ postern }) => expectUnharmed(postern),
);

async function secured(port: number, servername: string, before = ''): Promise<RawClient> {
  const { postern, redirected } = scene();
  const client = await redirected(port);
  if (before !== '') {
    client.send(before);
    await client.take(/^S/);
  }
  const ca = servername === 'other.test' ? loopback().files?.['origin-ca.pem'] : postern.ca;
  await client.secure({ servername, ca: ca ?? '' });
  return client;
}

describe('a redirected TLS connection', () => {
  it('is intercepted by its server name, with the credential', async () => {
    const { postern, origin } = scene();
    const client = await secured(origin.port, 'origin.test');
    client.send(getInside(`origin.test:${origin.port}`, '/ok/1'));
    expect(await refusalOn(client)).toBe('200 OK');
    expect(origin.connections.at(-1)?.received).toContain(`Authorization: Bearer ${SECRET}`);
    const line = await postern.audited({ path: '/ok/1' });
    expect(line).toMatchObject({
      ingress: 'transparent',
      host: 'origin.test',
      port: origin.port,
      rule: 'own',
      tls: 'TLSv1.3',
    });
  });

  it('has each request in it judged', async () => {
    const { origin } = scene();
    const client = await secured(origin.port, 'origin.test');
    client.send(getInside(`origin.test:${origin.port}`, '/secret'));
    expect(await refusalOn(client)).toBe('403 PATH_DENIED');
  });

  it('is passed through by its server name', async () => {
    const { postern, opaque } = scene();
    const client = await secured(opaque.port, 'other.test');
    client.send(getInside('other.test'));
    expect(await refusalOn(client)).toBe('200 OK');
    client.socket.destroy();
    const line = await postern.audited({ ingress: 'transparent', rule: 'passed', port: opaque.port, code: null });
    expect(line).toMatchObject({ host: 'other.test', protocol: 'tunnel', decision: 'allow' });
  });

  it('to a name that no rule names is refused with an alert, and audited', async () => {
    const { postern, origin } = scene();
    await expect(secured(origin.port, 'unknown.test')).rejects.toThrow(/alert access denied/);
    expect(await postern.audited({ host: 'unknown.test' })).toMatchObject({
      ingress: 'transparent',
      code: 'HOST_DENIED',
      sandbox: 'default',
      port: origin.port,
      status: null,
    });
  });

  it('on another port than the rule has is refused', async () => {
    const { plain } = scene();
    await expect(secured(plain.port, 'origin.test')).rejects.toThrow(/alert access denied/);
  });

  it('without a server name is refused', async () => {
    const { postern, origin } = scene();
    await expect(secured(origin.port, '')).rejects.toThrow(/alert access denied/);
    await postern.audited({ code: 'ADDRESS_DENIED', ingress: 'transparent', host: null });
  });
});

describe('a redirected HTTP connection', () => {
  it('goes to the host that each request names', async () => {
    const { postern, redirected, plain } = scene();
    const client = await redirected(plain.port);
    client.send(getInside(`plain.test:${plain.port}`, '/one?x=1'));
    await client.take(/ok$/);
    expect(plain.connections.at(-1)?.received).toMatch(/^GET \/one\?x=1 HTTP\/1\.1\r\n/);
    client.send(getInside(`unknown.test:${plain.port}`));
    expect(await refusalOn(client)).toBe('403 HOST_DENIED');
    const line = await postern.audited({ path: '/one' });
    expect(line).toMatchObject({
      ingress: 'transparent',
      scheme: 'http',
      host: 'plain.test',
      rule: 'plain',
      protocol: 'h1',
    });
  });

  it('may repeat its host in the target', async () => {
    const { redirected, plain } = scene();
    const client = await redirected(plain.port);
    const authority = `plain.test:${plain.port}`;
    client.send(`GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    expect(await refusalOn(client)).toBe('200 OK');
  });

  it('may ask the proxy for itself, and is not told of a proxy that it does not need', async () => {
    const { redirected, postern } = scene();
    const client = await redirected(80);
    client.send(getInside('postern.internal', '/ca.pem'));
    await client.take(/-----END CERTIFICATE-----\n$/);
    client.send(getInside('postern.internal', '/env'));
    const said = await client.take(/export DENO_CERT=.*\n/);
    expect(said).not.toMatch(/_PROXY|_proxy/);
    expect(said).toContain("export SSL_CERT_FILE='/etc/postern/bundle.pem'");
    client.send(getInside('postern.internal', '/env?proxy=http://10.0.0.1:8080'));
    await client.take(/export https_proxy='http:\/\/10\.0\.0\.1:8080'/);
    await postern.audited({ host: 'postern.internal', ingress: 'transparent', path: '/ca.pem' });
  });
});

describe('PostgreSQL', () => {
  it('is passed through after its question for TLS, which the server is asked as well', async () => {
    const { postern, database } = scene();
    const client = await secured(database.port, 'other.test', SSL_REQUEST);
    client.send('hello');
    await client.take(/^hello/);
    expect(database.asked()).toBe(SSL_REQUEST);
    client.end();
    await client.untilClosed();
    await postern.audited({ rule: 'passed', port: database.port, code: null });
  });

  it('is told that there is no GSSAPI encryption, and may ask for TLS then', async () => {
    const { database, redirected } = scene();
    const client = await redirected(database.port);
    client.send(GSSENC_REQUEST);
    await client.take(/^N$/);
    client.send(SSL_REQUEST);
    await client.take(/^S$/);
    await client.secure({ servername: 'other.test', ca: loopback().files?.['origin-ca.pem'] ?? '' });
    client.send('hello');
    await client.take(/^hello/);
  });

  it('without TLS is refused in its own words', async () => {
    const { postern, database, redirected } = scene();
    const client = await redirected(database.port);
    client.send('\x00\x00\x00\x11\x00\x03\x00\x00user\x00me\x00\x00');
    expect(await client.untilEnded()).toMatch(
      /^E[\s\S]{4}SFATAL\0VFATAL\0C08004\0MPROTOCOL_DENIED: .*sslmode=require\0\0$/,
    );
    await postern.audited({ code: 'PROTOCOL_DENIED', port: database.port, ingress: 'transparent' });
  });

  it.each([
    ['does not speak TLS', 'noTls', /the server does not speak TLS/],
    ['sends more than its answer', 'stuffing', /more than the answer/],
  ] as const)('of a server that %s is refused', async (_what, which, reason) => {
    const { postern } = scene();
    const { port } = scene()[which];
    await expect(secured(port, 'other.test', SSL_REQUEST)).rejects.toThrow();
    const line = await postern.audited({ code: 'TLS_FAILED', port });
    expect(line.reason).toMatch(reason);
  });

  it('is not intercepted', async () => {
    const { postern, origin } = scene();
    await expect(secured(origin.port, 'origin.test', SSL_REQUEST)).rejects.toThrow(/alert access denied/);
    const line = await postern.audited({ code: 'PROTOCOL_DENIED', host: 'origin.test' });
    expect(line.reason).toMatch(/tls: passthrough/);
  });
});

describe('a transparent listener', () => {
  it('knows sandboxes by source and listener, and asks for no token', async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const rules = `rules: [{ hosts: [plain.test], schemes: [http], ports: [${origin.port}] }]`;
    const policies = {
      'one.yaml': `version: 1\nsandbox: { name: one, match: [{ source: 127.0.0.2/32 }] }\n${rules}\n`,
      'two.yaml': `version: 1\nsandbox: { name: two, match: [{ token: { file: ../token.txt } }] }\n${rules}\n`,
    };
    const { postern, redirected } = await startTransparent([origin.port], {
      policies,
      files: { 'token.txt': 'token-0123456789abc' },
    });
    const client = await redirected(origin.port);
    const fields = `Proxy-Authorization: Basic ${btoa('two:token-0123456789abc')}\r\n`;
    client.send(getInside(`plain.test:${origin.port}`, '/', fields));
    expect(await refusalOn(client)).toBe('403 IDENTITY_CONFLICT');
    expect(origin.connections).toEqual([]);
    await postern.audited({ code: 'IDENTITY_CONFLICT', ingress: 'transparent', sandbox: null });
  });

  it('counts its connections for the sandbox, and closes the one that is too many', async () => {
    const { postern, redirected } = await startTransparent(
      [80],
      { policies: 'version: 1\nrules: []\n' },
      { connections_per_sandbox: 1 },
    );
    const first = await redirected(80);
    await metricBecomes(postern, 'postern_connections{side="client"}', 1);
    const second = await redirected(80);
    expect(await second.untilEnded()).toBe('');
    await postern.audited({ code: 'OVERLOADED', ingress: 'transparent' });
    first.end();
    await first.untilClosed();
  });

  it('ends what a new policy does not allow, and drains', async () => {
    const origin = await startOrigin({ tls: certificateFor('other.test'), onConnection: answering(OK) });
    const rule = (action: string): string =>
      `version: 1\nrules: [{ hosts: [other.test], ports: [${origin.port}], tls: passthrough, action: ${action} }]\n`;
    const { postern, redirected } = await startTransparent([origin.port], { policies: rule('allow') });
    const client = await redirected(origin.port);
    await client.secure({ servername: 'other.test', ca: loopback().files?.['origin-ca.pem'] ?? '' });
    postern.write('policies/test.yaml', rule('deny'));
    await client.untilEnded();
    await postern.audited({ code: 'RULE_DENIED', ingress: 'transparent' });
    const silent = await redirected(origin.port);
    expect(await postern.stop()).toBe(0);
    await silent.untilEnded();
  });

  it('stands in the status, and an edit of it waits for a restart', async () => {
    const { postern } = await startTransparent([443, 80], { policies: 'version: 1\nrules: []\n' });
    const status = async () => (await (await fetch(`${postern.adminUrl}/v1/status`)).json()) as Record<string, unknown>;
    expect((await status()).listeners).toMatchObject({
      transparent: [/./, /./].map(() => expect.stringMatching(/^127\.0\.0\.1:\d+$/)),
      dns: [],
    });
    const text = 'version: 1\nlisten: { proxy: ["127.0.0.1:0"], transparent: [{ listen: "127.0.0.1:0", port: 25 }] }\n';
    postern.write('postern.yaml', `${text}admin: { listen: ["127.0.0.1:0"] }\n`);
    await fetch(`${postern.adminUrl}/v1/reload`, { method: 'POST' });
    expect((await status()).restart_required).toContain('listen');
  });

  it('that cannot be bound ends the start, and says which', async () => {
    const busy = createServer();
    const port = await listening(busy);
    closeAfterTest(busy, () => {});
    const failing = startTransparent([443], {
      policies: 'version: 1\nrules: []\n',
      settings: { listen: { proxy: ['127.0.0.1:0'], transparent: [{ listen: `127.0.0.1:${port}`, port: 443 }] } },
    });
    await expect(failing).rejects.toThrow(/listen\.transparent: cannot listen on 127\.0\.0\.1:\d+: another process/);
  });

  it('may be a Unix socket', async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const path = join(mkdtempSync(join(tmpdir(), 'postern-unix-')), 'x.sock');
    closeAfterTest(path, () => rmSync(dirname(path), { recursive: true }));
    const { postern } = await startTransparent([], {
      policies: `version: 1
sandbox: { name: vm, match: [{ listener: "unix:${path}" }] }
rules: [{ hosts: [plain.test], schemes: [http], ports: [${origin.port}] }]
`,
      settings: {
        ...loopback().settings,
        listen: { proxy: ['127.0.0.1:0'], transparent: [{ listen: `unix:${path}`, port: origin.port }] },
      },
    });
    const client = await connectUnix(path);
    client.send(getInside(`plain.test:${origin.port}`));
    expect(await refusalOn(client)).toBe('200 OK');
    expect(await postern.audited({ host: 'plain.test' })).toMatchObject({
      ingress: 'transparent',
      sandbox: 'vm',
      client: '',
    });
  });
});
