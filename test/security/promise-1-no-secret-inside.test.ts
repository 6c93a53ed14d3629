import { describe, expect, it } from 'vitest';
import { searchFor } from '../support/canary.ts';
import { closeOpened } from '../support/closing.ts';
import { answering, type Origin, startOrigin } from '../support/origin.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel, type RawClient } from '../support/raw-client.ts';
import { certificateFor, loopback, SECRET, startScene } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Values whose every coding differs from the others. */
const CANARIES = {
  bearer: 'cAnAry/+"\\one=42&x~Zz?1',
  query: "cAnAry/+'\\two=43&y~Zz?2",
  token: 'cAnAry-token-three-44',
  admin: 'cAnAry-admin-four-45',
};

const search = searchFor(Object.values(CANARIES).map((value) => Buffer.from(value)));

describe('a secret', () => {
  it('is in nothing that is written, answered or stored, whatever goes well or wrong', async () => {
    let answer = OK;
    const origin = await startOrigin({
      tls: certificateFor('origin.test'),
      onConnection: (connection) => {
        connection.socket.on(
          'data',
          () => connection.received.endsWith('\r\n\r\n') && connection.socket.write(answer, 'latin1'),
        );
      },
    });
    const untrusted = await startOrigin({ tls: certificateFor('elsewhere.test') });
    const policy = `version: 1
sandbox: { name: vm, match: [{ token: { file: ../token.txt } }] }
secrets:
  bearer: { file: ../bearer.txt }
  query: { file: ../query.txt }
  absent: { file: ../absent.txt }
rules:
  - { name: absent, hosts: [origin.test], ports: [${origin.port}], paths: ["/absent"], inject: [{ bearer: "\${absent}" }] }
  - { name: main, hosts: [origin.test, other.test, gone.test], ports: [${origin.port}, ${untrusted.port}, 1], inject: [{ bearer: "\${bearer}" }, { query: { name: key, value: "\${query}" } }] }
`;
    const base = loopback({ response_head: '1s' });
    const postern = await startPostern({
      policies: { 'vm.yaml': policy },
      settings: {
        ...base.settings,
        admin: { listen: ['127.0.0.1:0'], token: { file: 'admin.txt' } },
        log: { level: 'debug' },
      },
      files: {
        ...base.files,
        'bearer.txt': CANARIES.bearer,
        'query.txt': CANARIES.query,
        'token.txt': CANARIES.token,
        'admin.txt': CANARIES.admin,
      },
    });
    const shown: string[] = [];
    const tokenField = `Proxy-Authorization: Basic ${Buffer.from(`vm:${CANARIES.token}`).toString('base64')}\r\n`;
    const ask = async (host: string, port: number, path: string, wanted: RegExp): Promise<void> => {
      const client = await connectTunnel(postern.proxyPort, `${host}:${port}`, tokenField);
      await client.secure({ servername: host, ca: postern.ca });
      client.send(`GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`);
      await client.until(wanted);
      shown.push(client.received);
      client.socket.destroy();
    };
    await ask('origin.test', origin.port, '/fine?a=b', /ok$/);
    expect(origin.connections[0]?.received).toContain(`Bearer ${CANARIES.bearer}`);
    await ask('origin.test', origin.port, '/absent', /^HTTP\/1\.1 503 SECRET_UNAVAILABLE\r\n[\s\S]*\}\}\n$/);
    // An invalid head that repeats the credential must not come back in an error text.
    answer = `HTTP/1.1 200 OK\r\nX(y): ${CANARIES.bearer}\r\n\r\n`;
    await ask('origin.test', origin.port, '/invalid', /^HTTP\/1\.1 502 RESPONSE_INVALID\r\n[\s\S]*\}\}\n$/);
    answer = '';
    await ask('origin.test', origin.port, '/slow', /^HTTP\/1\.1 504 HEAD_TIMEOUT\r\n[\s\S]*\}\}\n$/);
    await ask('other.test', untrusted.port, '/untrusted', /^HTTP\/1\.1 502 TLS_UNTRUSTED\r\n[\s\S]*\}\}\n$/);
    await ask('origin.test', 1, '/refused', /^HTTP\/1\.1 502 CONNECT_FAILED\r\n[\s\S]*\}\}\n$/);
    expect(untrusted.connections.every(({ received }) => received === '')).toBe(true);
    const wrongToken = await connectRaw(postern.proxyPort);
    wrongToken.send(`CONNECT origin.test:443 HTTP/1.1\r\n${tokenField.replace('Basic ', 'Basic AAAA')}\r\n`);
    await wrongToken.until(/^HTTP\/1\.1 407 /);
    shown.push(wrongToken.received);
    // Reloads: a change of the secret, a policy that is broken, a secret that cannot be used.
    postern.write('policies/vm.yaml', `${policy}  - broken: [\n`);
    for (const value of [`${CANARIES.bearer}\r\nX: y`, '', CANARIES.bearer]) {
      postern.write('bearer.txt', value);
      const reload = await fetch(`${postern.adminUrl}/v1/reload`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${CANARIES.admin}` },
      });
      shown.push(await reload.text());
    }
    for (const path of [
      '/healthz',
      '/readyz',
      '/metrics',
      '/v1/status',
      '/v1/sandboxes',
      '/v1/secrets/bearer',
      '/v1/events',
      '/ca.pem',
      '/bundle.pem',
      '/',
      '/nothing',
    ]) {
      const response = await fetch(postern.adminUrl + path, { headers: { Authorization: `Bearer ${CANARIES.admin}` } });
      shown.push(JSON.stringify([...response.headers]) + (await response.text()));
    }
    // What it wrote, stored and showed to clients is searched when it ends, as after every test.
    await postern.stop();
    expect(search(shown.join('\n'))).toEqual([]);
    expect(postern.audit.length).toBeGreaterThan(6);
  }, 15_000);
});

describe('a secret goes only where its binding names', () => {
  interface Places {
    readonly postern: Postern;
    /** The one place that the binding names. */
    readonly bound: Origin;
    /** The same host on another port, with a rule that injects nothing. */
    readonly port: Origin;
    readonly other: Origin;
    /** Plain HTTP, on the host of the binding. */
    readonly plain: Origin;
  }

  async function start(head = ''): Promise<Places> {
    const tls = certificateFor('origin.test', 'other.test', 'sub.origin.test');
    const [bound, port, other] = await Promise.all(
      [0, 1, 2].map(() => startOrigin({ tls, onConnection: answering(OK) })),
    );
    const plain = await startOrigin({ onConnection: answering(OK) });
    if (bound === undefined || port === undefined || other === undefined) throw new Error('unreachable');
    const policies = `version: 1
${head}
secrets: { token: { file: ../secret.txt, hosts: [origin.test] } }
rules:
  - { name: bound, hosts: [origin.test], ports: [${bound.port}, ${plain.port}], inject: [{ bearer: "\${token}" }] }
  - { name: bare, hosts: [origin.test, other.test], schemes: [http, https], ports: [${port.port}, ${other.port}] }
`;
    const base = loopback();
    const postern = await startPostern({ policies, ...base });
    return { postern, bound, port, other, plain };
  }

  const seen = (...origins: readonly Origin[]): string =>
    origins.flatMap(({ connections }) => connections.map(({ received }) => received)).join('');

  async function tunnelTo({ postern }: Places, host: string, port: number): Promise<RawClient> {
    const client = await connectTunnel(postern.proxyPort, `${host}:${port}`);
    await client.secure({ servername: host, ca: postern.ca });
    return client;
  }

  it('and not to another host or port, whatever the request says', async () => {
    const places = await start();
    const { bound, port, other, plain, postern } = places;
    const bares: readonly (readonly [string, number])[] = [
      ['origin.test', port.port],
      ['other.test', other.port],
    ];
    for (const [host, at] of bares) {
      const client = await tunnelTo(places, host, at);
      client.send(`GET / HTTP/1.1\r\nHost: ${host}:${at}\r\nX-Forwarded-Host: origin.test:${bound.port}\r\n\r\n`);
      await client.take(/ok$/);
      for (const request of [
        `GET / HTTP/1.1\r\nHost: origin.test:${bound.port}\r\n\r\n`,
        `GET https://origin.test:${bound.port}/ HTTP/1.1\r\nHost: origin.test:${bound.port}\r\n\r\n`,
      ]) {
        const trick = await tunnelTo(places, host, at);
        trick.send(request);
        await trick.until(/^HTTP\/1\.1 421 TARGET_MISMATCH\r\n/);
      }
    }
    const inside = await tunnelTo(places, 'origin.test', bound.port);
    inside.send(`GET / HTTP/1.1\r\nHost: other.test:${other.port}\r\n\r\n`);
    await inside.until(/^HTTP\/1\.1 421 TARGET_MISMATCH\r\n/);
    // The host of the binding, in plain HTTP: to the proxy, and inside a tunnel.
    const clear = await connectRaw(postern.proxyPort);
    clear.send(`GET http://origin.test:${plain.port}/ HTTP/1.1\r\nHost: origin.test:${plain.port}\r\n\r\n`);
    await clear.until(/^HTTP\/1\.1 403 HOST_DENIED\r\n/);
    const clearInside = await connectTunnel(postern.proxyPort, `origin.test:${plain.port}`);
    clearInside.send(`GET / HTTP/1.1\r\nHost: origin.test:${plain.port}\r\n\r\n`);
    await clearInside.until(/^HTTP\/1\.1 403 HOST_DENIED\r\n/);
    for (const authority of [
      `sub.origin.test:${bound.port}`,
      `origin.test.evil.test:${bound.port}`,
      `127.0.0.1:${bound.port}`,
    ]) {
      await expect(connectTunnel(postern.proxyPort, authority)).rejects.toThrow(/403/);
    }
    const good = await tunnelTo(places, 'origin.test', bound.port);
    good.send(`GET / HTTP/1.1\r\nHost: origin.test:${bound.port}\r\n\r\n`);
    await good.take(/ok$/);
    expect(seen(bound)).toContain(SECRET);
    expect(seen(port, other, plain)).not.toContain(SECRET);
  });

  it('and does not follow a redirect', async () => {
    const other = await startOrigin({ tls: certificateFor('other.test'), onConnection: answering(OK) });
    const redirect = `HTTP/1.1 307 Elsewhere\r\nLocation: https://other.test:${other.port}/\r\nContent-Length: 0\r\n\r\n`;
    const { authority, tunnel } = await startScene({ origin: { onConnection: answering(redirect) } });
    const client = await tunnel();
    client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    expect(await client.take(/\r\n\r\n$/)).toBe(redirect);
    expect(other.connections).toHaveLength(0);
  });

  it('and never where only "default: allow" or "mode: observe" let a request pass', async () => {
    const observed = await start('mode: observe');
    const client = await tunnelTo(observed, 'origin.test', observed.bound.port);
    client.send(`TRACE / HTTP/1.1\r\nHost: origin.test:${observed.bound.port}\r\n\r\n`);
    await client.until(/^HTTP\/1\.1 403 METHOD_DENIED\r\n/);
    const origin = await startOrigin({ tls: certificateFor('origin.test'), onConnection: answering(OK) });
    const scene = await startScene({
      policies: `version: 1
mode: observe
secrets: { token: { file: ../secret.txt } }
rules:
  - { hosts: [origin.test], ports: [${origin.port}], methods: [GET], inject: [{ bearer: "\${token}" }] }
  - { hosts: [origin.test], ports: [${origin.port}], paths: ["/open"], methods: [POST] }
`,
    });
    const watched = await connectTunnel(scene.postern.proxyPort, `origin.test:${origin.port}`);
    await watched.secure({ servername: 'origin.test', ca: scene.postern.ca });
    watched.send(`DELETE / HTTP/1.1\r\nHost: origin.test:${origin.port}\r\n\r\n`);
    // What would be denied rests on no rule, so it does not reach private space either.
    await watched.until(/^HTTP\/1\.1 403 ADDRESS_DENIED\r\n/);
    expect(seen(origin)).not.toContain(SECRET);
  });

  it('and replaces what the client brought of its own, so that no other account is used', async () => {
    const { origin, authority, tunnel } = await startScene({ origin: { onConnection: answering(OK) } });
    const client = await tunnel();
    client.send(
      `GET / HTTP/1.1\r\nHost: ${authority}\r\nAuthorization: Bearer mine\r\nAUTHORIZATION: Basic bWluZQ==\r\nX_Api_Key: mine\r\nCookie: mine=1\r\nConnection: authorization\r\n\r\n`,
    );
    await client.take(/ok$/);
    const { received } = await origin.next();
    expect(received).not.toMatch(/mine|bWluZQ/);
    expect(received.match(/authorization/gi)).toHaveLength(1);
    expect(received).toContain(`Authorization: Bearer ${SECRET}\r\n`);
  });
});
