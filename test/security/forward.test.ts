import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { expectUnharmed, refusalOn } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { claimsIn, forwardPolicy, forwardSettings, headsOf, startForward, valuesOf } from '../support/forward.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw } from '../support/raw-client.ts';
import { certificateFor, loopback } from '../support/scene.ts';

closeOpened();

const RECEIVED = 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nreceived';

const get = (authority: string, path = '/', fields = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${authority}\r\n${fields}\r\n`;

describe('what a client says in our place', () => {
  const scene = shared(() => startForward());

  it.each([
    ['Forwarded: for=_root;host=evil.test;proto=https'],
    ['forwarded: for=_root'],
    ['X-Forwarded-For: 10.0.0.1'],
    ['X-Forwarded-Host: evil.test'],
    ['X-Forwarded-Proto: https'],
    ['X-Forwarded-Prefix: /admin'],
    ['X-Forwarded-Client-Cert: Subject="CN=root"'],
    ['X_Forwarded_For: 10.0.0.1'],
    ['X-Forwarded_For: 10.0.0.1'],
    ['X-Real-IP: 10.0.0.1'],
    ['True-Client-IP: 10.0.0.1'],
    ['X-Original-Host: evil.test'],
    ['X-Original-URL: /admin'],
    ['X-Rewrite-URL: /admin'],
    ['X-HTTP-Method-Override: DELETE'],
    ['X-Postern-Statement: eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.'],
    ['x_postern_statement: eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.'],
    ['X-Postern_Sandbox: root'],
  ])('does not arrive: %s', async (line) => {
    const { postern, receiver, authority, tunnel } = scene();
    const client = await tunnel();
    const path = `/${Buffer.from(line).toString('hex')}`;
    client.send(get(authority, path, `${line}\r\n${line}\r\nX-Kept: yes\r\n`));
    await client.take(/received$/);
    const head = headsOf(receiver).find((each) => each.includes(path)) ?? '';
    const name = line.slice(0, line.indexOf(':'));
    expect(valuesOf(head, 'X-Kept')).toEqual(['yes']);
    expect(valuesOf(head, 'Forwarded')).toEqual([`for=_default;host="${authority}";proto=https`]);
    expect(valuesOf(head, 'X-Postern-Statement')).toHaveLength(1);
    expect(head.toLowerCase()).not.toContain(line.toLowerCase());
    if (!/^(forwarded|x-postern-statement)$/i.test(name))
      expect(head.toLowerCase()).not.toContain(`${name.toLowerCase()}:`);
    expect(await claimsIn(head, postern, `https://audit.test:${receiver.port}`)).toMatchObject({
      sub: 'default',
      path,
    });
  });

  it.each(['forwarded', 'x-postern-statement', 'host, x-postern-statement, forwarded, x_postern_statement'])(
    'cannot nominate ours away: Connection: %s',
    async (names) => {
      const { receiver, authority, tunnel } = scene();
      const client = await tunnel();
      const path = `/nominated-${Buffer.from(names).toString('hex')}`;
      client.send(get(authority, path, `Connection: ${names}\r\nForwarded: for=_root\r\n`));
      await client.take(/received$/);
      const head = headsOf(receiver).find((each) => each.includes(path)) ?? '';
      expect(valuesOf(head, 'Host')).toEqual([`audit.test:${receiver.port}`]);
      expect(valuesOf(head, 'Forwarded')).toEqual([`for=_default;host="${authority}";proto=https`]);
      expect(valuesOf(head, 'X-Postern-Statement')).toHaveLength(1);
    },
  );
});

describe('a path', () => {
  const scene = shared(
    () => startForward(),
    ({ postern }) => expectUnharmed(postern),
  );

  it.each([
    ['/../admin'],
    ['/..'],
    ['/a/../../admin'],
    ['/./a'],
    ['/%2e%2e/admin'],
    ['/.%2e/admin'],
    ['/%2E%2E%2Fadmin'],
    ['/..%2fadmin'],
    ['/..%5cadmin'],
    ['/..\\admin'],
    ['/%252e%252e/admin'],
    ['/..;/admin'],
    ['/..%3Bx/admin'],
    ['/a;b/c'],
    ['//audit.test/admin'],
    ['//'],
    ['/a//b'],
    ['/a%2Fb'],
    ['/a%00b'],
    ['/a%0d%0ab'],
    ['/%c0%ae%c0%ae/admin'],
    ['/%zz'],
  ])('that could leave the prefix is refused before the receiver sees a byte: %s', async (path) => {
    const { receiver, authority, tunnel } = scene();
    const client = await tunnel();
    client.send(get(authority, path));
    expect(await refusalOn(client)).toBe('400 PATH_AMBIGUOUS');
    expect(receiver.connections).toHaveLength(0);
  });

  it.each([
    ['https://audit.test/admin', '421 TARGET_MISMATCH'],
    ['https://evil.test/', '421 TARGET_MISMATCH'],
    ['http://origin.test/', '400 TARGET_INVALID'],
    ['@evil.test/', '400 TARGET_INVALID'],
    ['admin', '400 TARGET_INVALID'],
    ['?x', '400 TARGET_INVALID'],
    ['/a#b', '400 TARGET_INVALID'],
  ])('is of this host, in whatever form: %s', async (target, refusal) => {
    const { receiver, authority, tunnel } = scene();
    const client = await tunnel();
    client.send(get(authority, target));
    expect(await refusalOn(client)).toBe(refusal);
    expect(receiver.connections).toHaveLength(0);
  });
});

describe('the receiver', () => {
  it('is nothing that a sandbox may reach by itself, not even where a rule names it', async () => {
    const { postern, receiver } = await startForward({
      rules: ({ receiver: port }) =>
        `  - { name: direct, hosts: [audit.test], schemes: [http, https], ports: [${port}] }\n`,
    });
    const client = await connectRaw(postern.proxyPort);
    const at = `audit.test:${receiver.port}`;
    client.send(`GET http://${at}/ HTTP/1.1\r\nHost: ${at}\r\n\r\n`);
    expect(await refusalOn(client)).toBe('403 ADDRESS_DENIED');
    expect(receiver.connections).toHaveLength(0);
  });

  it('is not reached on a connection that a sandbox asked for itself, nor the other way round', async () => {
    const { postern, receiver, authority, tunnel } = await startForward({
      upstream: { allow_addresses: ['127.0.0.0/8'] },
      rules: ({ receiver: port }) => `  - { name: direct, hosts: [audit.test], ports: [${port}] }\n`,
    });
    const at = `audit.test:${receiver.port}`;
    const forwarded = await tunnel();
    const direct = await connectRaw(postern.proxyPort);
    direct.send(`CONNECT ${at} HTTP/1.1\r\nHost: ${at}\r\n\r\n`);
    await direct.take(/\r\n\r\n/);
    await direct.secure({ servername: 'audit.test', ca: postern.ca });
    for (let round = 0; round < 2; round++) {
      forwarded.send(get(authority, '/forwarded'));
      await forwarded.take(/received$/);
      direct.send(get(at, '/direct', 'X-Postern-Statement: mine\r\n'));
      await direct.take(/received$/);
    }
    const paths = receiver.connections.map(({ received }) =>
      [...received.matchAll(/^GET (\S+)/gm)].map(([, path]) => path),
    );
    expect(paths).toEqual([
      ['/in/forwarded', '/in/forwarded'],
      ['/direct', '/direct'],
    ]);
  });

  it('is told of each sandbox by its own name, on connections of its own', async () => {
    const origin = await startOrigin({ tls: certificateFor('origin.test') });
    const receiver = await startOrigin({ tls: certificateFor('audit.test'), onConnection: answering(RECEIVED) });
    const policy = (name: string): string =>
      forwardPolicy(
        origin.port,
        `https://audit.test:${receiver.port}/in`,
        '',
        '',
        `sandbox: { name: ${name}, match: [{ token: { file: ../${name}.txt } }] }`,
      );
    const postern = await startPostern({
      policies: { 'a.yaml': policy('vm-a'), 'b.yaml': policy('vm-b') },
      files: { ...loopback().files, 'vm-a.txt': 'token-of-vm-a-0123456789', 'vm-b.txt': 'token-of-vm-b-0123456789' },
      settings: forwardSettings(receiver.port),
    });
    const at = `origin.test:${origin.port}`;
    for (const name of ['vm-a', 'vm-b', 'vm-a']) {
      const token = Buffer.from(`${name}:token-of-${name}-0123456789`).toString('base64');
      const client = await connectRaw(postern.proxyPort);
      client.send(
        `GET http://${at}/${name} HTTP/1.1\r\nHost: ${at}\r\nProxy-Authorization: Basic ${token}\r\nForwarded: for=_vm-b\r\n\r\n`,
      );
      await client.take(/received$/);
    }
    const audience = `https://audit.test:${receiver.port}`;
    const claims = await Promise.all(headsOf(receiver).map((head) => claimsIn(head, postern, audience)));
    expect(claims.map(({ sub, path }) => [sub, path])).toEqual([
      ['vm-a', '/vm-a'],
      ['vm-a', '/vm-a'],
      ['vm-b', '/vm-b'],
    ]);
    expect(headsOf(receiver).flatMap((head) => valuesOf(head, 'Forwarded'))).toEqual([
      `for=_vm-a;host="${at}";proto=http`,
      `for=_vm-a;host="${at}";proto=http`,
      `for=_vm-b;host="${at}";proto=http`,
    ]);
    expect(receiver.connections).toHaveLength(2);
    expect(headsOf(receiver).join()).not.toContain('Proxy-Authorization');
  });

  it('is never this proxy itself, whatever forward_to holds', async () => {
    const { postern, origin, authority } = await startForward();
    const listeners = { listen: { proxy: ['127.0.0.1:0'] }, admin: { listen: ['127.0.0.1:0'] } };
    const forward_to = [
      { host: '127.0.0.1', ports: [postern.adminPort, postern.proxyPort], addresses: ['127.0.0.0/8'] },
    ];
    postern.write('postern.yaml', stringify({ version: 1, ...listeners, forward_to }));
    for (const [index, port] of [postern.adminPort, postern.proxyPort].entries()) {
      postern.write('policies/test.yaml', forwardPolicy(origin.port, `https://127.0.0.1:${port}/v1`));
      await postern.logged(new RegExp(`"generation":${2 + index},.*a new generation is in force`));
      const client = await connectRaw(postern.proxyPort);
      client.send(`GET http://${authority}/status HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
      expect(await refusalOn(client)).toBe('502 CONNECT_FAILED');
    }
  });

  it('is not reached where subnets.deny holds its address', async () => {
    const { origin, receiver } = await startForward();
    const postern = await startPostern({
      policies: `${forwardPolicy(origin.port, `https://audit.test:${receiver.port}/in`)}subnets: { deny: [127.0.0.0/8] }\n`,
      files: loopback().files ?? {},
      settings: forwardSettings(receiver.port),
    });
    const at = `origin.test:${origin.port}`;
    const client = await connectRaw(postern.proxyPort);
    client.send(`GET http://${at}/ HTTP/1.1\r\nHost: ${at}\r\n\r\n`);
    expect(await refusalOn(client)).toBe('502 CONNECT_FAILED');
    expect(receiver.connections).toHaveLength(0);
  });

  it('is not named to the sandbox by the pages that tell it its policy', async () => {
    const postern = await startPostern({
      policies: forwardPolicy(443, 'https://audit.test/in', '', '', 'introspect: true').replace(
        'name: forwarded',
        'name: a',
      ),
      settings: { forward_to: [{ host: 'audit.test' }] },
    });
    for (const page of ['/policy', '/policy?format=json', '/env']) {
      const client = await connectRaw(postern.proxyPort);
      client.send(`GET http://postern.internal${page} HTTP/1.1\r\nHost: postern.internal\r\nConnection: close\r\n\r\n`);
      const answer = await client.untilEnded();
      expect(answer).toMatch(/^HTTP\/1\.1 200 /);
      expect(answer).not.toMatch(/audit\.test|forward/i);
    }
  });

  it('publishes its key to whom it likes, but nothing else is open without the token', async () => {
    const { postern } = await startForward();
    const answer = await fetch(`${postern.adminUrl}/.well-known/jwks.json`);
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(JSON.stringify(await answer.json())).not.toMatch(/"d":/);
    const client = await connectRaw(postern.adminPort);
    client.send('GET /.well-known/jwks.json HTTP/1.1\r\nHost: evil.test\r\n\r\n');
    await client.until(/^HTTP\/1\.1 421 /);
  });
});
