import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { closeOpened } from '../support/closing.ts';
import { startDns } from '../support/dns.ts';
import { answering, type OriginConnection, startOrigin } from '../support/origin.ts';
import { PARENT_PASSWORD, type ParentProxy, type ParentProxyOptions, startParent } from '../support/parent.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel } from '../support/raw-client.ts';
import { certificateFor, loopback, type Scene, SECRET, seenBy, startScene } from '../support/scene.ts';
import { byName, connectSocks } from '../support/socks.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = createHash('sha1').update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

const base = { trust: ['origin-ca.pem'], allow_addresses: ['127.0.0.0/8'] };

/** `upstream` with a parent, and nothing that says where a host is. */
const through = (parent: ParentProxy, more: object = {}, upstream: object = {}) => ({
  upstream: { ...base, ...upstream, proxy: { url: `http://127.0.0.1:${parent.port}`, ...more } },
});
const USER = { username: 'me', password: { file: 'parent.txt' } };
const PASSWORD = { 'parent.txt': `${PARENT_PASSWORD}\n` };

interface ParentScene extends Scene {
  readonly parent: ParentProxy;
}

async function startThroughParent(options: ParentProxyOptions = {}, more: object = {}): Promise<ParentScene> {
  const parent = await startParent(options);
  const files = { ...loopback().files, ...PASSWORD };
  const scene = await startScene({
    settings: through(parent, more),
    files,
    origin: { onConnection: answering(OK) },
  });
  return { ...scene, parent };
}

const get = (authority: string, path = '/'): string => `GET ${path} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;

async function reload(postern: Postern, settings: object, generation: number): Promise<void> {
  const listeners = { listen: { proxy: ['127.0.0.1:0'] }, admin: { listen: ['127.0.0.1:0'] } };
  postern.write('postern.yaml', stringify({ version: 1, ...listeners, ...settings }));
  await postern.logged(new RegExp(`"generation":${generation}\\b`));
}

describe('through a parent proxy', () => {
  it('an intercepted request goes by name, with its credential inside the TLS of the origin', async () => {
    const { postern, parent, origin, authority, tunnel } = await startThroughParent();
    const client = await tunnel();
    for (const path of ['/one', '/two']) {
      client.send(get(authority, path));
      await client.take(/ok$/);
    }
    expect(parent.heads).toEqual([`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`]);
    expect(seenBy(origin)).toContain(`Authorization: Bearer ${SECRET}\r\n`);
    expect(await postern.audited({ path: '/two' })).toMatchObject({
      host: 'origin.test',
      address: `127.0.0.1:${parent.port}`,
      status: 200,
    });
  });

  it('no name is resolved but that of the parent', async () => {
    const dns = await startDns({ 'parent.corp': ['127.0.0.1'] });
    const parent = await startParent();
    const upstream = { ...base, dns: [`127.0.0.1:${dns.port}`], proxy: { url: `http://parent.corp:${parent.port}` } };
    const { authority, tunnel } = await startScene({
      settings: { upstream },
      origin: { onConnection: answering(OK) },
    });
    const client = await tunnel();
    client.send(get(authority));
    await client.take(/ok$/);
    expect(new Set(dns.questions)).toEqual(new Set(['A parent.corp', 'AAAA parent.corp']));
  });

  it('plain HTTP goes by CONNECT as well, so the parent sees no request', async () => {
    const parent = await startParent();
    const origin = await startOrigin({ onConnection: answering(OK) });
    const policies = `version: 1\nsecrets: { token: { file: ../secret.txt } }\nrules:\n  - { hosts: [plain.test], schemes: [http], ports: [${origin.port}], inject: [{ bearer: "\${token}" }] }\n`;
    const { files } = loopback();
    const postern = await startPostern({ policies, settings: through(parent), ...(files && { files }) });
    const client = await connectRaw(postern.proxyPort);
    client.send(
      `GET http://plain.test:${origin.port}/ HTTP/1.1\r\nHost: plain.test:${origin.port}\r\nProxy-Connection: keep-alive\r\n\r\n`,
    );
    await client.until(/ok$/);
    expect(parent.authorities).toEqual([`plain.test:${origin.port}`]);
    expect(parent.heads.join()).not.toContain('keep-alive');
    expect(seenBy(origin)).toMatch(/^GET \/ HTTP\/1\.1\r\n/);
    expect(seenBy(origin)).toContain(`Authorization: Bearer ${SECRET}\r\n`);
  });

  it('a WebSocket is opened and relayed', async () => {
    const parent = await startParent();
    const { postern, origin, authority, tunnel } = await startScene({ settings: through(parent) });
    const client = await tunnel();
    client.send(
      `GET /chat HTTP/1.1\r\nHost: ${authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    );
    const connection = await origin.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\nhello`,
    );
    await client.until(/\r\n\r\nhello$/);
    client.send('masked');
    await connection.until(/masked$/);
    client.end();
    await connection.untilEnded();
    connection.socket.end('bye');
    expect(await client.untilEnded()).toMatch(/bye$/);
    await postern.audited({ protocol: 'ws', status: 101, address: `127.0.0.1:${parent.port}` });
    expect(parent.authorities).toEqual([authority]);
  });

  it.each(['http', 'https'])(
    'a passthrough tunnel reaches the host and its own certificate (%s to the parent)',
    async (scheme) => {
      const parent = await startParent(scheme === 'https' ? { tls: certificateFor('127.0.0.1') } : {});
      const origin = await startOrigin({ tls: certificateFor('origin.test'), onConnection: answering(OK) });
      const { files } = loopback();
      const postern = await startPostern({
        policies: `version: 1\nrules:\n  - { hosts: [origin.test], ports: [${origin.port}], tls: passthrough }\n`,
        settings: through(parent, { url: `${scheme}://127.0.0.1:${parent.port}` }),
        ...(files && { files }),
      });
      const client = await connectTunnel(postern.proxyPort, `origin.test:${origin.port}`);
      await client.secure({ servername: 'origin.test', ca: files?.['origin-ca.pem'] });
      client.send(get('origin.test'));
      await client.until(/ok$/);
      client.end();
      (await origin.next()).socket.end();
      await client.untilClosed();
      expect(parent.authorities).toEqual([`origin.test:${origin.port}`]);
      await postern.audited({ protocol: 'tunnel', status: 200, address: `127.0.0.1:${parent.port}` });
    },
  );

  it('a raw tunnel to an allowed address carries what its server says first, also right behind the answer of the parent', async () => {
    const origin = await startOrigin({ onConnection: ({ socket }) => socket.write('220 hello\r\n') });
    const parent = await startParent({ onAsked: ({ open }) => open('banner of the server ') });
    const postern = await startPostern({
      policies: `version: 1\nsubnets: { allow: [{ cidr: 127.0.0.1/32, ports: [${origin.port}] }] }\nrules: []\n`,
      settings: { upstream: { proxy: { url: `http://127.0.0.1:${parent.port}` } } },
    });
    const client = await connectTunnel(postern.proxyPort, `127.0.0.1:${origin.port}`);
    await client.until(/^banner of the server 220 hello\r\n$/);
    client.send('EHLO');
    await (await origin.next()).until(/^EHLO$/);
    expect(parent.authorities).toEqual([`127.0.0.1:${origin.port}`]);
  });

  it('a SOCKS5 client goes through it like any other', async () => {
    const { postern, parent, authority, origin } = await startThroughParent();
    const client = await connectSocks(postern.proxyPort, byName('origin.test', origin.port));
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    client.send(get(authority));
    await client.take(/ok$/);
    expect(parent.authorities).toEqual([authority]);
    expect(await postern.audited({ status: 200 })).toMatchObject({
      ingress: 'socks',
      address: `127.0.0.1:${parent.port}`,
    });
  });

  it('TLS is spoken with an https parent, and again inside with the origin', async () => {
    const parent = await startParent({ tls: certificateFor('parent.test'), credentials: `me:${PARENT_PASSWORD}` });
    const files = { ...loopback().files, ...PASSWORD };
    const settings = through(
      parent,
      { ...USER, url: `https://parent.test:${parent.port}` },
      { hosts: { 'parent.test': ['127.0.0.1'] } },
    );
    const { postern, authority, tunnel } = await startScene({
      settings,
      files,
      origin: { onConnection: answering(OK) },
    });
    const client = await tunnel();
    for (let count = 0; count < 3; count++) {
      client.send(get(authority));
      await client.take(/ok$/);
    }
    expect(parent.authorities).toEqual([authority]);
    await postern.audited({ status: 200, address: `127.0.0.1:${parent.port}` });
  });

  it.each([
    ['http', 'its end', 200, null],
    ['https', 'its end', 200, null],
    ['http', 'a cut', 200, 'UPSTREAM_RESET'],
    ['https', 'a cut', 200, 'UPSTREAM_RESET'],
  ])('an answer without a length that comes through an %s parent is told by %s', async (scheme, end, status, code) => {
    const parent = await startParent(scheme === 'https' ? { tls: certificateFor('127.0.0.1') } : {});
    const raws: Socket[] = [];
    const onConnection = ({ socket }: OriginConnection): void => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\nall of it');
        if (end === 'its end') socket.end();
      });
    };
    const { postern, authority, tunnel, origin } = await startScene({
      settings: through(parent, { url: `${scheme}://127.0.0.1:${parent.port}` }),
      origin: { onConnection, onSocket: (socket) => raws.push(socket) },
    });
    const client = await tunnel();
    client.send(get(authority, '/all'));
    await client.until(/all of it/);
    if (end === 'a cut') for (const raw of raws) raw.destroySoon();
    expect(await postern.audited({ path: '/all' })).toMatchObject({ status, code });
    expect(origin.connections).toHaveLength(1);
  });

  it('an https parent whose certificate names another host is told nothing', async () => {
    const parent = await startParent({ tls: certificateFor('other.test') });
    const settings = through(
      parent,
      { url: `https://parent.test:${parent.port}` },
      { hosts: { 'parent.test': ['127.0.0.1'] } },
    );
    const { postern, authority, tunnel } = await startScene({ settings });
    const client = await tunnel();
    client.send(get(authority));
    await client.until(/^HTTP\/1\.1 502 CONNECT_FAILED\r\n/);
    expect(client.received).not.toContain('parent.test');
    expect(parent.heads).toEqual([]);
    await postern.audited({ code: 'CONNECT_FAILED' });
  });

  it('another Postern is the parent, which knows its child by a token and lets the TLS through', async () => {
    const origin = await startOrigin({ tls: certificateFor('origin.test'), onConnection: answering(OK) });
    const outer = await startPostern({
      policies: `version: 1
sandbox: { name: child, match: [{ token: { file: ../child.txt } }] }
rules:
  - { hosts: [origin.test], ports: [${origin.port}], tls: passthrough }
`,
      settings: { upstream: { hosts: { 'origin.test': ['127.0.0.1'] }, allow_addresses: ['127.0.0.0/8'] } },
      files: { 'child.txt': PARENT_PASSWORD },
    });
    const inner = await startPostern({
      policies: `version: 1\nsecrets: { token: { file: ../secret.txt } }\nrules:\n  - { hosts: [origin.test], ports: [${origin.port}], inject: [{ bearer: "\${token}" }] }\n`,
      settings: {
        upstream: {
          ...base,
          proxy: { url: `http://127.0.0.1:${outer.proxyPort}`, username: 'child', password: { file: 'parent.txt' } },
        },
      },
      files: { ...loopback().files, ...PASSWORD },
    });
    const authority = `origin.test:${origin.port}`;
    const client = await connectTunnel(inner.proxyPort, authority);
    await client.secure({ servername: 'origin.test', ca: inner.ca });
    client.send(get(authority));
    await client.until(/ok$/);
    expect(seenBy(origin)).toContain(`Authorization: Bearer ${SECRET}\r\n`);
    client.end();
    await inner.audited({ status: 200, address: `127.0.0.1:${outer.proxyPort}` });
    await inner.stop();
    const connection = await origin.next();
    await connection.untilEnded();
    connection.socket.end();
    await outer.audited({ sandbox: 'child', protocol: 'tunnel', status: 200, address: `127.0.0.1:${origin.port}` });
  });
});

describe('what goes past the parent', () => {
  it.each([
    ['a host of no_proxy', ['*.test'], {}],
    ['a host with a fixed answer', [], { hosts: { 'origin.test': ['127.0.0.1'] } }],
  ])('%s is dialled where it is', async (_name, noProxy, more) => {
    const dns = await startDns({ 'origin.test': ['127.0.0.1'] });
    const upstream = { dns: [`127.0.0.1:${dns.port}`], ...more };
    const parent = await startParent();
    const { postern, origin, authority, tunnel } = await startScene({
      settings: through(parent, { no_proxy: noProxy }, upstream),
      origin: { onConnection: answering(OK) },
    });
    const client = await tunnel();
    client.send(get(authority));
    await client.take(/ok$/);
    expect(parent.sockets.size).toBe(0);
    await postern.audited({ status: 200, address: `127.0.0.1:${origin.port}` });
  });

  it('an address in a block of no_proxy is dialled as well', async () => {
    const origin = await startOrigin();
    const parent = await startParent();
    const postern = await startPostern({
      policies: `version: 1\nsubnets: { allow: [{ cidr: 127.0.0.1/32, ports: [${origin.port}] }] }\nrules: []\n`,
      settings: { upstream: { proxy: { url: `http://127.0.0.1:${parent.port}`, no_proxy: ['127.0.0.0/8'] } } },
    });
    const client = await connectTunnel(postern.proxyPort, `127.0.0.1:${origin.port}`);
    client.send('hello');
    await (await origin.next()).until(/^hello$/);
    expect(parent.sockets.size).toBe(0);
  });

  it('is judged by its address as ever', async () => {
    const dns = await startDns({ 'origin.test': ['10.0.0.1'] });
    const parent = await startParent();
    const { postern, authority } = await startScene({
      settings: through(parent, { no_proxy: ['origin.test'] }, { dns: [`127.0.0.1:${dns.port}`] }),
    });
    await expect(connectTunnel(postern.proxyPort, authority)).rejects.toThrow('ADDRESS_DENIED');
    expect(parent.sockets.size).toBe(0);
  });
});

describe('the credentials of the parent', () => {
  it('are Basic, and those of the client do not reach it', async () => {
    const { postern, parent, authority } = await startThroughParent({ credentials: `me:${PARENT_PASSWORD}` }, USER);
    const client = await connectTunnel(
      postern.proxyPort,
      authority,
      'Proxy-Authorization: Basic bWU6d3Jvbmc=\r\nX-Mine: 1\r\n',
    );
    await client.secure({ servername: 'origin.test', ca: postern.ca });
    client.send(get(authority));
    await client.take(/ok$/);
    const basic = Buffer.from(`me:${PARENT_PASSWORD}`).toString('base64');
    expect(parent.heads).toEqual([
      `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\nProxy-Authorization: Basic ${basic}\r\n\r\n`,
    ]);
  });

  it('that it refuses are told as its status alone', async () => {
    const { postern, authority, tunnel } = await startThroughParent({ credentials: 'me:another-password' }, USER);
    const client = await tunnel();
    client.send(get(authority));
    await client.until(/^HTTP\/1\.1 502 CONNECT_FAILED\r\n[\s\S]*\}\s*$/);
    expect(client.received).toContain('the parent proxy answered 407');
    expect(client.received).not.toContain('Authentication Wanted');
    expect(client.received).not.toContain(SECRET);
    expect(await postern.audited({ code: 'CONNECT_FAILED' })).toMatchObject({
      reason: 'the parent proxy answered 407',
    });
  });

  it('that are not there let nothing out, and are asked for again when their file is', async () => {
    const parent = await startParent({ credentials: `me:${PARENT_PASSWORD}` });
    const { postern, authority, tunnel } = await startScene({
      settings: through(parent, USER),
      origin: { onConnection: answering(OK) },
    });
    await postern.logged(/the password for the parent proxy is not available: the file does not exist/);
    const client = await tunnel();
    client.send(get(authority));
    await client.take(/^HTTP\/1\.1 503 SECRET_UNAVAILABLE\r\n[\s\S]*\}\s*$/);
    expect(parent.heads).toEqual([]);
    postern.write('parent.txt', PARENT_PASSWORD);
    await postern.logged(/"generation":2/);
    client.send(get(authority));
    await client.take(/ok$/);
  });
});

describe('a reload', () => {
  it('that adds a parent sends the next request through it, and closes what waited', async () => {
    const parent = await startParent();
    const direct = { upstream: { ...base, hosts: { 'origin.test': ['127.0.0.1'] } } };
    const { postern, origin, authority, tunnel } = await startScene({
      settings: direct,
      origin: { onConnection: answering(OK) },
    });
    const client = await tunnel();
    client.send(get(authority));
    await client.take(/ok$/);
    await reload(postern, through(parent), 2);
    await (await origin.next()).untilEnded();
    client.send(get(authority));
    await client.take(/ok$/);
    expect(parent.authorities).toEqual([authority]);
  });

  it('that removes the parent closes what waits, and ends the tunnels that went through it', async () => {
    const parent = await startParent();
    const origin = await startOrigin({ tls: certificateFor('origin.test'), onConnection: answering(OK) });
    const { files } = loopback();
    const policies = (tls: string) =>
      `version: 1\nrules:\n  - { hosts: [origin.test], ports: [${origin.port}], tls: ${tls} }\n`;
    const hosts = { hosts: { 'origin.test': ['127.0.0.1'] } };
    const postern = await startPostern({
      policies: policies('passthrough'),
      settings: through(parent),
      ...(files && { files }),
    });
    const authority = `origin.test:${origin.port}`;
    const client = await connectTunnel(postern.proxyPort, authority);
    await client.secure({ servername: 'origin.test', ca: files?.['origin-ca.pem'] });
    client.send(get(authority));
    await client.take(/ok$/);
    await reload(postern, { upstream: { ...base, ...hosts } }, 2);
    await client.untilEnded();
    expect(await postern.audited({ protocol: 'tunnel' })).toMatchObject({
      code: 'ADDRESS_DENIED',
      reason: 'the host is dialled directly now, and the address that the parent chose is not known',
    });
    const next = await connectTunnel(postern.proxyPort, authority);
    await next.secure({ servername: 'origin.test', ca: files?.['origin-ca.pem'] });
    next.send(get(authority));
    await next.take(/ok$/);
    expect(parent.heads).toHaveLength(1);
  });

  it('that changes the password or the policy leaves tunnels and idle connections alone', async () => {
    const { postern, parent, authority, tunnel } = await startThroughParent({}, USER);
    const client = await tunnel();
    client.send(get(authority));
    await client.take(/ok$/);
    postern.write('parent.txt', 'another-password-0123456789');
    await postern.logged(/"generation":2/);
    client.send(get(authority));
    await client.take(/ok$/);
    expect(parent.heads).toHaveLength(1);
  });

  it('that names another parent closes what waits at the one before', async () => {
    const [parent, other] = [await startParent(), await startParent()];
    const { postern, authority, tunnel } = await startScene({
      settings: through(parent),
      origin: { onConnection: answering(OK) },
    });
    const client = await tunnel();
    client.send(get(authority));
    await client.take(/ok$/);
    await reload(postern, through(other), 2);
    client.send(get(authority));
    await client.take(/ok$/);
    expect([parent.heads.length, other.heads.length]).toEqual([1, 1]);
  });

  it('that names another parent lets a request in flight finish at the one before; none at all ends it', async () => {
    const [parent, other] = [await startParent(), await startParent()];
    const { postern, origin, authority, tunnel } = await startScene({ settings: through(parent) });
    const [finishes, ends] = [await tunnel(), await tunnel()];
    finishes.send(get(authority, '/finishes'));
    const first = await origin.next();
    await first.until(/\r\n\r\n$/);
    await reload(postern, through(other), 2);
    first.socket.write(OK);
    await finishes.take(/ok$/);
    ends.send(get(authority, '/ends'));
    await (await origin.next()).until(/\r\n\r\n$/);
    await reload(postern, { upstream: { ...base, hosts: { 'origin.test': ['127.0.0.1'] } } }, 3);
    await ends.take(/^HTTP\/1\.1 403 ADDRESS_DENIED\r\n/);
    expect([parent.heads.length, other.heads.length]).toEqual([1, 1]);
  });

  it('that makes the address of an open tunnel the parent ends the tunnel', async () => {
    const origin = await startOrigin();
    const postern = await startPostern({
      policies: `version: 1\nsubnets: { allow: [{ cidr: 127.0.0.1/32, ports: [${origin.port}] }] }\nrules: []\n`,
    });
    const client = await connectTunnel(postern.proxyPort, `127.0.0.1:${origin.port}`);
    await reload(postern, { upstream: { proxy: { url: `http://127.0.0.1:${origin.port}` } } }, 2);
    await client.untilEnded();
    expect(await postern.audited({ protocol: 'tunnel' })).toMatchObject({
      code: 'ADDRESS_DENIED',
      reason: 'it is where the parent proxy listens',
    });
  });
});
