import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { closeOpened } from '../support/closing.ts';
import { startDns } from '../support/dns.ts';
import {
  acceptOf,
  claimsIn,
  forwardPolicy,
  forwardSettings,
  headsOf,
  RECEIVED,
  startForward,
  valuesOf,
} from '../support/forward.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { startParent } from '../support/parent.ts';
import { launchPostern, type Postern, startPostern } from '../support/postern.ts';
import { connectRaw } from '../support/raw-client.ts';
import { certificateFor, loopback, SECRET } from '../support/scene.ts';

closeOpened();

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
/** A whole answer of ours. */
const ERROR = /[\s\S]*\r\n\r\n\{[^\n]*\}\n$/;
const POLICY = 'policies/test.yaml';

const get = (authority: string, path = '/', fields = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${authority}\r\n${fields}\r\n`;

const UPGRADE = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n`;
const SWITCHED = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptOf(KEY)}\r\n\r\nhello`;

const generation = (postern: Postern, number: number): Promise<string> =>
  postern.logged(new RegExp(`"generation":${number},.*a new generation is in force`));

function writeSettings(postern: Postern, settings: object): void {
  const listeners = { listen: { proxy: ['127.0.0.1:0'] }, admin: { listen: ['127.0.0.1:0'] } };
  postern.write('postern.yaml', stringify({ version: 1, ...listeners, ...settings }));
}

describe('a rule that forwards', () => {
  it('sends the request to its URL, path and query behind it, and never touches the origin', async () => {
    const { postern, origin, receiver, authority, tunnel } = await startForward();
    const client = await tunnel();
    client.send(get(authority, '/v1/a%20b?x=%2F..%2F&y', 'Authorization: Bearer of-the-client\r\nAccept: a/b\r\n'));
    expect(await client.take(/received$/)).toMatch(/^HTTP\/1\.1 200 /);
    const [head = ''] = headsOf(receiver);
    const [statement] = valuesOf(head, 'X-Postern-Statement');
    expect(head).toBe(
      [
        'GET /in/v1/a%20b?x=%2F..%2F&y HTTP/1.1',
        `Host: audit.test:${receiver.port}`,
        'Authorization: Bearer of-the-client',
        'Accept: a/b',
        `Forwarded: for=_default;host="${authority}";proto=https`,
        `X-Postern-Statement: ${statement}`,
        '\r\n',
      ].join('\r\n'),
    );
    expect(origin.connections).toHaveLength(0);
    expect(await postern.audited({ path: '/v1/a%20b' })).toMatchObject({
      host: 'origin.test',
      rule: 'forwarded',
      decision: 'allow',
      code: null,
      reason: null,
      address: `127.0.0.1:${receiver.port}`,
      status: 200,
    });
  });

  it('states who asked for what, signed with the key that the admin listener publishes', async () => {
    const { postern, receiver, authority, tunnel } = await startForward();
    const client = await tunnel();
    for (const path of ['/one?secret=1', '/two']) {
      client.send(get(authority, path));
      await client.take(/received$/);
    }
    expect(receiver.connections).toHaveLength(1);
    const audience = `https://audit.test:${receiver.port}`;
    const claims = await Promise.all(headsOf(receiver).map((head) => claimsIn(head, postern, audience)));
    const line = await postern.audited({ path: '/two' });
    expect(claims.map(({ path }) => path)).toEqual(['/one', '/two']);
    const { iat = 0 } = claims[1] ?? {};
    expect(claims[1]).toEqual({
      iss: 'postern',
      sub: 'default',
      aud: audience,
      jti: line.id,
      iat,
      exp: iat + 60,
      method: 'GET',
      origin: `https://${authority}`,
      path: '/two',
      rule: 'forwarded',
    });
    expect(claims[0]?.jti).not.toBe(claims[1]?.jti);
  });

  it('takes plain HTTP too, OPTIONS on the server as a whole, and a client of HTTP/1.0', async () => {
    const { postern, receiver, authority } = await startForward();
    const audience = `https://audit.test:${receiver.port}`;
    for (const request of [
      `GET http://${authority}/a HTTP/1.1\r\nHost: ${authority}\r\n\r\n`,
      `OPTIONS http://${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`,
      `GET http://${authority}?q HTTP/1.0\r\n\r\n`,
    ]) {
      const client = await connectRaw(postern.proxyPort);
      client.send(request);
      await client.until(/received$/);
    }
    const heads = headsOf(receiver);
    expect(heads.map((head) => head.split('\r\n')[0])).toEqual([
      'GET /in/a HTTP/1.1',
      'OPTIONS /in HTTP/1.1',
      'GET /in/?q HTTP/1.1',
    ]);
    for (const head of heads) {
      expect(valuesOf(head, 'Host')).toEqual([`audit.test:${receiver.port}`]);
      expect(valuesOf(head, 'Forwarded')).toEqual([`for=_default;host="${authority}";proto=http`]);
      expect(await claimsIn(head, postern, audience)).toMatchObject({ origin: `http://${authority}` });
    }
  });

  it('streams a body, and passes interim answers and trailers', async () => {
    const { receiver, authority, tunnel } = await startForward({ receiver: { onConnection: () => {} } });
    const client = await tunnel();
    client.send(
      `POST /up HTTP/1.1\r\nHost: ${authority}\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-Forwarded-For\r\n\r\n`,
    );
    const connection = await receiver.next();
    await connection.until(/\r\n\r\n/);
    connection.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    await client.take(/100 Continue\r\n\r\n/);
    client.send('5\r\nhello\r\n');
    await connection.until(/hello/);
    client.send('0\r\nX-Sum: 5\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n');
    const [all] = await connection.until(/[\s\S]*0\r\nX-Sum: 5\r\n\r\n$/);
    expect(all).not.toContain('10.0.0.1');
    connection.socket.write(RECEIVED);
    await client.until(/received$/);
  });

  it('opens a WebSocket to its URL', async () => {
    const { postern, receiver, authority, tunnel } = await startForward({ receiver: { onConnection: () => {} } });
    const client = await tunnel();
    client.send(get(authority, '/chat', UPGRADE));
    const connection = await receiver.next();
    const [head] = await connection.until(/[\s\S]*\r\n\r\n$/);
    expect(head).toMatch(/^GET \/in\/chat HTTP\/1\.1\r\n/);
    expect(await claimsIn(head, postern, `https://audit.test:${receiver.port}`)).toMatchObject({ path: '/chat' });
    connection.socket.write(SWITCHED);
    await client.until(/\r\n\r\nhello$/);
    client.send('masked');
    await connection.until(/masked$/);
    client.end();
    await connection.untilEnded();
    connection.socket.end();
    await postern.audited({ protocol: 'ws', status: 101, address: `127.0.0.1:${receiver.port}` });
  });

  it('needs no origin: its name is not looked up', async () => {
    const dns = await startDns({ 'audit.test': ['127.0.0.1'] });
    const { authority, tunnel } = await startForward({ upstream: { hosts: {}, dns: [`127.0.0.1:${dns.port}`] } });
    const client = await tunnel();
    client.send(get(authority));
    await client.until(/received$/);
    expect(new Set(dns.questions)).toEqual(new Set(['A audit.test', 'AAAA audit.test']));
  });

  it('goes through the parent proxy by name, unless no_proxy names the host', async () => {
    const parent = await startParent();
    const proxy = { url: `http://127.0.0.1:${parent.port}` };
    const through = await startForward({ upstream: { hosts: {}, proxy } });
    const client = await through.tunnel();
    client.send(get(through.authority));
    await client.until(/received$/);
    expect(parent.authorities).toEqual([`audit.test:${through.receiver.port}`]);
    const direct = await startForward({
      upstream: { proxy: { ...proxy, no_proxy: ['audit.test'] }, hosts: { 'audit.test': ['127.0.0.1'] } },
    });
    const other = await direct.tunnel();
    other.send(get(direct.authority));
    await other.until(/received$/);
    expect(parent.authorities).toHaveLength(1);
  });

  it('masks a secret of the host in the answer, and removes what it strips', async () => {
    const policy = (origin: number, receiver: number): string =>
      forwardPolicy(
        origin,
        `https://audit.test:${receiver}`,
        'strip: [authorization]',
        `  - { name: direct, hosts: [origin.test], ports: [${origin}], paths: ["/direct"], inject: [{ bearer: "\${token}" }] }`,
        'secrets: { token: { file: ../secret.txt } }',
      );
    const echo = `HTTP/1.1 200 OK\r\nContent-Length: ${SECRET.length}\r\n\r\n${SECRET}`;
    const origin = await startOrigin({ tls: certificateFor('origin.test'), onConnection: answering(RECEIVED) });
    const receiver = await startOrigin({ tls: certificateFor('audit.test'), onConnection: answering(echo) });
    const postern = await startPostern({
      policies: policy(origin.port, receiver.port),
      files: loopback().files ?? {},
      settings: forwardSettings(receiver.port),
    });
    const authority = `origin.test:${origin.port}`;
    const client = await connectRaw(postern.proxyPort);
    client.send(`GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nAuthorization: Basic eDp5\r\n\r\n`);
    expect((await client.until(/\*{5,}$/))[0]).toBe('*'.repeat(SECRET.length));
    expect(headsOf(receiver).join()).not.toMatch(/authorization/i);
  });
});

describe('a failure where a rule forwards to', () => {
  const tell = async (options: Parameters<typeof startForward>[0], fields = '') => {
    const scene = await startForward(options);
    const client = await scene.tunnel();
    client.send(get(scene.authority, '/', fields));
    const answer = await client.until(ERROR);
    expect(scene.origin.connections).toHaveLength(0);
    return { ...scene, answer: answer[0] };
  };

  it.each<readonly [what: string, options: Parameters<typeof startForward>[0], status: number, code: string]>([
    ['a certificate for another host', { names: ['origin.test'] }, 502, 'TLS_UNTRUSTED'],
    ['a certificate that nobody vouches for', { upstream: { trust: [] } }, 502, 'TLS_UNTRUSTED'],
    [
      'a receiver that speaks no TLS',
      { receiver: { onSocket: (socket) => socket.end('SSH-2.0\r\n') } },
      502,
      'TLS_FAILED',
    ],
    [
      'a name that nobody knows',
      { upstream: { hosts: {}, dns: ['127.0.0.1:9'] }, limits: { connect: '1s' } },
      502,
      'DNS_FAILED',
    ],
    [
      'an address that forward_to does not open',
      { upstream: { hosts: { 'audit.test': ['10.9.9.9'] } } },
      502,
      'CONNECT_FAILED',
    ],
    [
      'a public address where forward_to has blocks',
      { upstream: { hosts: { 'audit.test': ['93.184.216.34'] } } },
      502,
      'CONNECT_FAILED',
    ],
    [
      'a receiver that leaves',
      { receiver: { onConnection: ({ socket }) => socket.once('data', () => socket.destroy()) } },
      502,
      'UPSTREAM_RESET',
    ],
    ['an answer that is none', { receiver: { onConnection: answering('SSH-2.0\r\n\r\n') } }, 502, 'RESPONSE_INVALID'],
    [
      'a receiver that never answers',
      { receiver: { onConnection: () => {} }, limits: { response_head: '1s' } },
      504,
      'HEAD_TIMEOUT',
    ],
  ])('is not the origin’s turn, and tells nothing of the URL: %s', async (_, options, status, code) => {
    const { answer, postern, receiver } = await tell(options);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} ${code}\r\n`));
    expect(answer).not.toContain('audit');
    expect(answer).not.toContain(String(receiver.port));
    expect(answer).not.toMatch(/127\.0|10\.9|93\.184/);
    await postern.audited({ code, status });
  });

  it('is 502 where nobody listens', async () => {
    const postern = await startPostern({
      policies: forwardPolicy(80, 'https://audit.test:9/in'),
      files: loopback().files ?? {},
      settings: forwardSettings(9),
    });
    const client = await connectRaw(postern.proxyPort);
    client.send('GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n');
    const [answer] = await client.until(ERROR);
    expect(answer).toMatch(/^HTTP\/1\.1 502 CONNECT_FAILED\r\n/);
    expect(answer).not.toContain('audit');
  });
});

describe('at a reload', () => {
  const half = 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf';

  it('a request is ended that would be sent elsewhere now, and one to the same URL goes on', async () => {
    const { postern, origin, receiver, authority, tunnel } = await startForward({
      receiver: { onConnection: () => {} },
    });
    const url = (path: string): string => `https://audit.test:${receiver.port}${path}`;
    const client = await tunnel();
    client.send(get(authority));
    const connection = await receiver.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write(half);
    await client.until(/half$/);
    postern.write(POLICY, forwardPolicy(origin.port, url('/in'), 'idle: 4m'));
    await generation(postern, 2);
    postern.write(POLICY, forwardPolicy(origin.port, url('/other')));
    await generation(postern, 3);
    expect(await client.untilEnded()).toMatch(/half$/);
    await connection.untilEnded();
    expect(await postern.audited({ path: '/' })).toMatchObject({
      code: 'RULE_DENIED',
      reason: 'where this request is sent has changed',
    });
  });

  it('a request on its way to the origin is ended where its rule forwards now', async () => {
    const scene = await startForward();
    const { postern, origin, receiver, authority } = scene;
    const direct = `version: 1\nrules:\n  - { name: forwarded, hosts: [origin.test], ports: [${origin.port}] }\n`;
    writeSettings(postern, {
      ...forwardSettings(receiver.port),
      upstream: { ...forwardSettings(receiver.port).upstream, allow_addresses: ['127.0.0.0/8'] },
    });
    await generation(postern, 2);
    postern.write(POLICY, direct);
    await generation(postern, 3);
    const client = await scene.tunnel();
    client.send(get(authority, '/', 'Expect: 100-continue\r\nContent-Length: 5\r\n'));
    await origin.next();
    postern.write(POLICY, forwardPolicy(origin.port, `https://audit.test:${receiver.port}/in`));
    await generation(postern, 4);
    await client.untilEnded();
    const next = await scene.tunnel();
    next.send(get(authority));
    await next.until(/received$/);
    expect(receiver.connections).toHaveLength(1);
  });

  it('a WebSocket is ended where its rule forwards no more', async () => {
    const scene = await startForward({ receiver: { onConnection: () => {} } });
    const { postern, origin, receiver, authority } = scene;
    const client = await scene.tunnel();
    client.send(get(authority, '/chat', UPGRADE));
    const connection = await receiver.next();
    await connection.until(/\r\n\r\n$/);
    connection.socket.write(SWITCHED);
    await client.until(/hello$/);
    postern.write(
      POLICY,
      `version: 1\nrules: [ { name: forwarded, hosts: [origin.test], ports: [${origin.port}] } ]\n`,
    );
    await client.untilEnded();
    await connection.untilEnded();
    await postern.audited({ protocol: 'ws', code: 'RULE_DENIED' });
  });

  it('a host that leaves forward_to is not sent anything more, and idle connections to it are closed', async () => {
    const { postern, receiver, authority, tunnel } = await startForward();
    const client = await tunnel();
    client.send(get(authority));
    await client.take(/received$/);
    const connection = await receiver.next();
    writeSettings(postern, { ...forwardSettings(receiver.port), forward_to: [{ host: 'other.test' }] });
    await generation(postern, 2);
    await connection.untilEnded();
    await postern.logged(/is not in \\"forward_to\\" of postern\.yaml/);
    client.send(get(authority, '/again'));
    expect(await client.take(/\}\n$/)).toMatch(/^HTTP\/1\.1 502 CONNECT_FAILED\r\n/);
    expect(receiver.connections).toHaveLength(1);
  });

  it('an edit that forwards where it may not leaves the policy as it was, and says so at its place', async () => {
    const { postern, origin, authority, tunnel } = await startForward();
    postern.write(POLICY, forwardPolicy(origin.port, 'https://evil.test/in'));
    await postern.logged(/policies\/test\.yaml.*evil\.test:443\\" is not in \\"forward_to\\"/);
    const client = await tunnel();
    client.send(get(authority));
    await client.until(/received$/);
  });

  it('at a start such a policy is not in force at all', async () => {
    const postern = await startPostern({ policies: forwardPolicy(443, 'https://evil.test/in') });
    const client = await connectRaw(postern.proxyPort);
    client.send('CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n\r\n');
    await client.until(/^HTTP\/1\.1 503 POLICY_UNAVAILABLE/);
  });
});

describe('the key for statements', () => {
  it('is another one after a restart, unless "state" keeps it', async () => {
    const unused = await startPostern({ policies: 'version: 1\n' });
    expect(await keysOf(unused)).toEqual([]);
    const state = { state: 'state' };
    const first = await startForward({ settings: () => state });
    const before = await keysOf(first.postern);
    await first.postern.stop();
    const again = await startForward({ settings: () => state, folder: first.postern.folder });
    expect(await keysOf(again.postern)).toEqual(before);
    expect(readFileSync(join(first.postern.folder, 'state/statement-key.pem'), 'utf8')).toContain('PRIVATE KEY');
    const other = await startForward();
    const keys = await keysOf(other.postern);
    expect(keys).toHaveLength(1);
    expect(keys).not.toEqual(before);
  });

  it('stops a start where its file cannot be used, and is told where forward_to comes by a reload', async () => {
    const policies = forwardPolicy(80, 'https://audit.test/in');
    const files = { 'state/statement-key.pem': 'nothing' };
    const allowed = { state: 'state', forward_to: [{ host: 'audit.test' }] };
    const failed = launchPostern({ policies, files, settings: allowed });
    await expect(failed.until(() => undefined)).rejects.toThrow(
      /statement-key\.pem holds no EC P-256 private key in PKCS#8; mend it, or remove it/,
    );
    const postern = await startPostern({ policies, files, settings: { state: 'state' } });
    writeSettings(postern, allowed);
    await postern.logged(/no request can be forwarded: the key for statements is not available/);
    const client = await connectRaw(postern.proxyPort);
    client.send('GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n');
    const [answer] = await client.until(ERROR);
    expect(answer).toMatch(/^HTTP\/1\.1 503 SECRET_UNAVAILABLE\r\n/);
    expect((await fetch(`${postern.adminUrl}/.well-known/jwks.json`)).status).toBe(503);
  });

  async function keysOf({ adminUrl }: Postern): Promise<readonly unknown[]> {
    const answer = await fetch(`${adminUrl}/.well-known/jwks.json`);
    return ((await answer.json()) as { readonly keys: readonly unknown[] }).keys;
  }
});
