import { describe, expect, it } from 'vitest';
import { closeOpened, shared } from '../support/closing.ts';
import { fullListener } from '../support/full-listener.ts';
import { formsInHeap, formsLeftInHeap, HEAP_OPTIONS } from '../support/heap.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { PARENT_PASSWORD, type ParentProxy, startParent } from '../support/parent.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel } from '../support/raw-client.ts';
import { certificateFor, loopback, SECRET, startScene } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const MARK = 'text-of-the-parent';

const through = (parent: Pick<ParentProxy, 'port'>, more: object = {}, upstream: object = {}) => ({
  upstream: {
    trust: ['origin-ca.pem'],
    allow_addresses: ['127.0.0.0/8'],
    ...upstream,
    proxy: { url: `http://127.0.0.1:${parent.port}`, ...more },
  },
});

describe('an answer of the parent that is no plain 2xx', () => {
  let told = '';
  const scene = shared(async () => {
    const parent = await startParent({ onAsked: ({ socket }) => socket.end(told, 'latin1') });
    return await startScene({ settings: through(parent) });
  });
  const fields = (count: number): string => `X-Field: ${MARK}\r\n`.repeat(count);

  it.each<readonly [name: string, answer: string, reason: string]>([
    ['with bytes behind its head', `HTTP/1.1 200 OK\r\n\r\n${OK}${MARK}`, 'sent bytes before the tunnel was used'],
    [
      'with a declared body',
      `HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n${MARK}`,
      'sent bytes before the tunnel was used',
    ],
    ['with two heads', 'HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', 'sent bytes before the tunnel was used'],
    ['that asks for credentials', `HTTP/1.1 407 ${MARK}\r\nContent-Length: 0\r\n\r\n`, 'answered 407'],
    ['that refuses', `HTTP/1.1 403 ${MARK}\r\nContent-Length: 18\r\n\r\n${MARK}`, 'answered 403'],
    ['that sends elsewhere', `HTTP/1.1 302 ${MARK}\r\nLocation: http://${MARK}/\r\n\r\n`, 'answered 302'],
    ['that switches protocols', `HTTP/1.1 101 ${MARK}\r\nUpgrade: ${MARK}\r\n\r\n`, 'answered 101'],
    ['that is not HTTP', `SSH-2.0-${MARK}\r\n\r\n`, 'is not valid'],
    ['with a bare LF', 'HTTP/1.1 200 OK\n\n', 'is not valid'],
    ['with a folded field', `HTTP/1.1 200 OK\r\nA: b\r\n ${MARK}\r\n\r\n`, 'is not valid'],
    ['with a CR in a field', `HTTP/1.1 200 OK\r\nA: b\rHTTP/1.1 200 OK\r\n\r\n`, 'is not valid'],
    ['of HTTP/2', 'HTTP/2 200 OK\r\n\r\n', 'is not valid'],
    ['with too many fields', `HTTP/1.1 200 OK\r\n${fields(201)}\r\n`, 'is not valid'],
    ['with too large a head', `HTTP/1.1 200 OK\r\n${fields(3_000)}`, 'is not valid'],
    ['after too many interim ones', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(33), 'sent too many interim answers'],
    ['that is none', '', 'closed the connection before it had answered'],
    ['that breaks off', 'HTTP/1.1 200 OK\r\nA: b\r\n', 'closed the connection before it had answered'],
  ])('%s is CONNECT_FAILED, and nothing of it reaches the client', async (name, answer, reason) => {
    const { postern, origin, authority, tunnel } = scene();
    told = answer;
    const client = await tunnel();
    const path = `/${encodeURIComponent(name)}`;
    client.send(`GET ${path} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await client.until(/^HTTP\/1\.1 502 CONNECT_FAILED\r\n[\s\S]*\}\n$/);
    expect(client.shown).not.toContain(MARK);
    expect(origin.connections).toHaveLength(0);
    const line = await postern.audited({ code: 'CONNECT_FAILED', path });
    expect(line.reason).toContain(reason);
    expect(postern.stdout + postern.stderr).not.toContain(MARK);
  });

  it('after interim ones opens the tunnel, whatever else is in its head', async () => {
    const head = `HTTP/1.1 103 Early\r\nLink: <${MARK}>\r\n\r\n`;
    const parent = await startParent({
      onAsked: ({ socket, open }) => {
        socket.write(head);
        open();
      },
    });
    const { authority, tunnel } = await startScene({
      settings: through(parent),
      origin: { onConnection: answering(OK) },
    });
    const client = await tunnel();
    client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await client.until(/ok$/);
    expect(client.shown).not.toContain(MARK);
  });

  it('that does not come is CONNECT_TIMEOUT, the same on a passthrough tunnel', async () => {
    const parent = await startParent({
      onAsked: ({ socket }) => {
        socket.write('HTTP/1.1 100 Continue\r\n\r\n');
        socket.once('end', () => socket.end());
      },
    });
    const { postern, authority, tunnel } = await startScene({
      settings: through(parent),
      limits: { connect: '1s' },
      rules: '  - { hosts: [other.test], ports: [443], tls: passthrough }',
    });
    const client = await tunnel();
    client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await client.until(/^HTTP\/1\.1 504 CONNECT_TIMEOUT\r\n/);
    await expect(connectTunnel(postern.proxyPort, 'other.test:443')).rejects.toThrow('504 CONNECT_TIMEOUT');
    await postern.audited({ code: 'CONNECT_TIMEOUT', protocol: 'tunnel' });
    await parent.allClosed();
  });
});

describe('a parent that cannot be reached', () => {
  it('is CONNECT_FAILED for a name that is not there and a port that is closed, without its name', async () => {
    const closed = await startOrigin();
    for (const url of ['http://parent.invalid:3128', `http://127.0.0.2:${closed.port}`]) {
      const { postern, authority, tunnel } = await startScene({ settings: through(closed, { url }) });
      const opened = tunnel().then(async (client) => {
        client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
        await client.until(/\}\n$/);
        return client.shown;
      });
      const told = await opened.catch((error: Error) => error.message);
      expect(told).toContain(' CONNECT_FAILED');
      expect(told).not.toMatch(/parent\.invalid|127\.0\.0\.2/);
      await postern.audited({ code: 'CONNECT_FAILED' });
    }
  });

  it('is given up when nothing accepts in time', async () => {
    const { port } = await fullListener();
    const { authority, tunnel } = await startScene({ settings: through({ port }), limits: { connect: '1s' } });
    const client = await tunnel();
    client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await client.until(/^HTTP\/1\.1 504 CONNECT_TIMEOUT\r\n/);
  });

  it('and is this proxy itself is not dialled', async () => {
    const { postern, authority } = await startScene();
    postern.write(
      'postern.yaml',
      `version: 1\nlisten: { proxy: ["127.0.0.1:0"] }\nadmin: { listen: ["127.0.0.1:0"] }\nupstream: { proxy: { url: "http://127.0.0.1:${postern.proxyPort}" } }\n`,
    );
    await postern.logged(/"generation":2/);
    await expect(connectTunnel(postern.proxyPort, authority)).rejects.toThrow('CONNECT_FAILED');
    expect(await postern.audited({ code: 'CONNECT_FAILED' })).toMatchObject({
      reason: 'the parent proxy is at no address that can be dialled, or is this proxy itself',
    });
  });
});

describe('a sandbox that asks for what the parent could be asked', () => {
  const start = async (policies: (port: number) => string, upstream: object = {}) => {
    const parent = await startParent();
    const postern = await startPostern({
      policies: policies(parent.port),
      settings: through(parent, {}, { trust: [], ...upstream }),
    });
    return { parent, postern };
  };
  const denied = async (postern: Postern, authority: string): Promise<void> => {
    await expect(connectTunnel(postern.proxyPort, authority)).rejects.toThrow('403 ADDRESS_DENIED');
  };

  it.each([
    ['by its address', '127.0.0.1', {}],
    ['by a name with that answer', 'parent.test', { hosts: { 'parent.test': ['127.0.0.1'] } }],
    ['as localhost', 'localhost', {}],
  ])('cannot reach the parent itself %s', async (_name, host, upstream) => {
    const { parent, postern } = await start(
      (port) => `version: 1\nrules:\n  - { hosts: ["${host}"], ports: [${port}] }\n`,
      upstream,
    );
    await denied(postern, `${host}:${parent.port}`);
    expect(parent.sockets.size).toBe(0);
  });

  it('cannot reach the parent by its own name', async () => {
    const { parent, postern } = await start(
      (port) => `version: 1\nrules:\n  - { hosts: [parent.test], ports: [${port}], tls: passthrough }\n`,
    );
    postern.write(
      'postern.yaml',
      `version: 1\nlisten: { proxy: ["127.0.0.1:0"] }\nadmin: { listen: ["127.0.0.1:0"] }\nupstream: { proxy: { url: "http://parent.test:${parent.port}" } }\n`,
    );
    await postern.logged(/"generation":2/);
    await denied(postern, `parent.test:${parent.port}`);
  });

  it('cannot reach an address that the policy does not open', async () => {
    const { parent, postern } = await start(
      () =>
        `version: 1
subnets: { allow: [{ cidr: 10.0.0.0/8, ports: [443] }], deny: [10.9.0.0/16] }
rules:
  - { hosts: [169.254.169.254], schemes: [http], ports: [80] }
`,
    );
    await denied(postern, '169.254.169.254:80');
    await denied(postern, '10.9.0.1:443');
    await denied(postern, '127.0.0.1:443');
    expect(parent.sockets.size).toBe(0);
  });

  it('cannot reach names that no public DNS has, under default: allow', async () => {
    const { parent, postern } = await start(() => 'version: 1\ndefault: allow\nrules: []\n');
    for (const name of ['metadata.google.internal', 'intranet', 'printer.local', 'vault.corp', 'a.localhost'])
      await denied(postern, `${name}:443`);
    expect(parent.sockets.size).toBe(0);
  });

  it('cannot put anything into the CONNECT', async () => {
    const { parent, postern } = await start(
      () => 'version: 1\nrules:\n  - { hosts: ["*.origin.test"], ports: [443], tls: passthrough }\n',
    );
    for (const authority of [
      'a.origin.test:443%0d%0aX: y',
      'a.origin.test:443\tx',
      'me@a.origin.test:443',
      'a.origin.test:0443',
    ]) {
      const client = await connectRaw(postern.proxyPort);
      client.send(`CONNECT ${authority} HTTP/1.1\r\nHost: a.origin.test:443\r\n\r\n`);
      expect(await client.untilEnded()).toMatch(/^HTTP\/1\.1 400 /);
    }
    expect(parent.sockets.size).toBe(0);
  });
});

describe('a certificate', () => {
  it('is verified for the host that was asked for, whatever the parent connects to', async () => {
    const impostor = await startOrigin({ tls: certificateFor('other.test'), onConnection: answering(OK) });
    const parent = await startParent();
    const postern = await startPostern({
      ...loopback(),
      policies: `version: 1\nsecrets: { token: { file: ../secret.txt } }\nrules:\n  - { hosts: [origin.test], ports: [${impostor.port}], inject: [{ bearer: "\${token}" }] }\n`,
      settings: through(parent),
    });
    const authority = `origin.test:${impostor.port}`;
    const client = await connectTunnel(postern.proxyPort, authority);
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await client.until(/^HTTP\/1\.1 502 TLS_UNTRUSTED\r\n/);
    expect(impostor.connections.map(({ received }) => received).join('')).not.toContain(SECRET);
  });
});

describe('the password of the parent', () => {
  it('that was rotated away is in no heap snapshot, whatever stays open through the parent', async () => {
    const parent = await startParent();
    const origin = await startOrigin({ tls: certificateFor('origin.test'), onConnection: answering(OK) });
    const { files } = loopback();
    const postern = await startPostern({
      policies: `version: 1\nrules:\n  - { hosts: [origin.test], ports: [${origin.port}] }\n  - { hosts: [other.test], ports: [${origin.port}], tls: passthrough }\n`,
      settings: through(parent, { username: 'me', password: { file: 'parent.txt' } }),
      files: { ...files, 'parent.txt': PARENT_PASSWORD },
      nodeOptions: HEAP_OPTIONS,
    });
    const authority = `origin.test:${origin.port}`;
    const client = await connectTunnel(postern.proxyPort, authority);
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await client.take(/ok$/);
    const opaque = await connectTunnel(postern.proxyPort, `other.test:${origin.port}`);
    expect(parent.heads).toHaveLength(2);
    expect(await formsInHeap(postern, PARENT_PASSWORD)).toContain('plain');
    postern.write('parent.txt', 'another-password-9876543210');
    await postern.logged(/"generation":2/);
    expect(opaque.closed).toBe(false);
    expect(await formsLeftInHeap(postern, PARENT_PASSWORD)).toEqual([]);
  });
});
