import { describe, expect, it } from 'vitest';
import { OK } from '../support/attack.ts';
import { closeOpened } from '../support/closing.ts';
import { descriptorsOf, metric, metricBecomes, residentBytes } from '../support/observed.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel } from '../support/raw-client.ts';
import { loopback, startScene } from '../support/scene.ts';

closeOpened();

describe('leaf certificates', () => {
  it('are not made for hosts that are denied, however many are asked for', async () => {
    const { postern, tunnel } = await startScene();
    for (let index = 0; index < 50; index++) {
      await expect(connectTunnel(postern.proxyPort, `h${index}.evil.test:443`)).rejects.toThrow(/403/);
    }
    await tunnel();
    expect(await metric(postern, 'postern_leaf_certificates_total{outcome="minted"}')).toBe(1);
  });

  it('are not made for a TLS name that is not the authority', async () => {
    const { postern, authority } = await startScene();
    for (let index = 0; index < 20; index++) {
      const client = await connectTunnel(postern.proxyPort, authority);
      await expect(client.secure({ servername: `h${index}.test` })).rejects.toThrow();
    }
    expect(await metric(postern, 'postern_leaf_certificates_total{outcome="minted"}')).toBe(0);
  });

  it('are kept up to leaf_cache', async () => {
    const names = Array.from({ length: 8 }, (_, index) => `h${index}.test`);
    const hosts = Object.fromEntries(names.map((name) => [name, ['127.0.0.1']]));
    const postern = await startPostern({
      policies: `version: 1\nrules:\n  - { hosts: [${names.join(', ')}] }\n`,
      settings: { upstream: { hosts, allow_addresses: ['127.0.0.0/8'] }, limits: { leaf_cache: 4 } },
    });
    for (const name of names) {
      const client = await connectTunnel(postern.proxyPort, `${name}:443`);
      await client.secure({ servername: name, ca: postern.ca });
      client.socket.destroy();
    }
    expect(await metric(postern, 'postern_leaf_certificates_total{outcome="minted"}')).toBe(8);
    expect(await metric(postern, 'postern_leaf_certificates_total{outcome="evicted"}')).toBe(4);
  });
});

describe('bytes that nobody takes', () => {
  it('are held up to a bound: a client that sends without reading, an origin that sends to one that does not read', async () => {
    const { postern, origin, authority, tunnel } = await startScene();
    const clients = await Promise.all(Array.from({ length: 8 }, () => tunnel()));
    const before = residentBytes(postern);
    for (const client of clients) {
      client.socket.pause();
      client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
      const connection = await origin.next();
      await connection.until(/\r\n\r\n$/);
      connection.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n');
      for (let block = 0; block < 16; block++) connection.socket.write(Buffer.alloc(1024 * 1024));
      // Pipelined bytes behind the request that runs.
      for (let block = 0; block < 4; block++) client.socket.write(Buffer.alloc(1024 * 1024, 'x'));
    }
    // Requests of others are served in between, so that what could arrive has arrived.
    for (let round = 0; round < 10; round++) {
      await metric(postern, 'x');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(residentBytes(postern) - before).toBeLessThan(48 * 1024 * 1024);
  });
});

describe('connections', () => {
  it('to the origin are not lost when a later stage refuses the request that took one', async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const policies = `version: 1
secrets: { token: { file: ../secret.txt }, absent: { file: ../absent.txt } }
rules:
  - { name: absent, hosts: [plain.test], schemes: [http], ports: [${origin.port}], paths: ["/absent"], inject: [{ bearer: "\${absent}" }] }
  - { name: all, hosts: [plain.test], schemes: [http], ports: [${origin.port}], inject: [{ bearer: "\${token}" }] }
`;
    const postern = await startPostern({ policies, ...loopback() });
    const client = await connectRaw(postern.proxyPort);
    const get = (path: string): string =>
      `GET http://plain.test:${origin.port}${path} HTTP/1.1\r\nHost: plain.test:${origin.port}\r\n\r\n`;
    for (let round = 0; round < 10; round++) {
      client.send(get('/fine'));
      await client.take(/ok$/);
      client.send(get('/absent'));
      await client.take(/^HTTP\/1\.1 503 SECRET_UNAVAILABLE\r\n[\s\S]*\}\}\n$/);
    }
    expect(await metric(postern, 'postern_connections{side="upstream"}')).toBeLessThanOrEqual(1);
  });

  it('and descriptors are all given back after clients that leave at every point', async () => {
    const { postern, authority, tunnel, origin } = await startScene();
    await (await tunnel()).socket.destroy();
    await metricBecomes(postern, 'postern_connections{side="client"}', 0);
    const before = descriptorsOf(postern);
    for (let round = 0; round < 5; round++) {
      const silent = await connectRaw(postern.proxyPort);
      const half = await connectRaw(postern.proxyPort);
      half.send('CONNECT orig');
      const hello = await connectTunnel(postern.proxyPort, authority);
      hello.send('\x16\x03\x01\x02\x00');
      const idle = await tunnel();
      const partial = await tunnel();
      partial.send(`POST / HTTP/1.1\r\nHost: ${authority}\r\nContent-Length: 10\r\n\r\nabc`);
      await (await origin.next()).until(/abc$/);
      const waiting = await tunnel();
      waiting.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
      await (await origin.next()).until(/\r\n\r\n$/);
      const clear = await connectTunnel(postern.proxyPort, authority);
      clear.send('GET / HT');
      for (const { socket } of [silent, half, hello, idle, partial, waiting, clear]) {
        if (round % 2 === 0) socket.destroy();
        else socket.end();
      }
    }
    await metricBecomes(postern, 'postern_connections{side="client"}', 2);
    for (const { socket } of origin.connections) socket.destroy();
    await metricBecomes(postern, 'postern_connections{side="client"}', 0);
    await metricBecomes(postern, 'postern_connections{side="upstream"}', 0);
    await metricBecomes(postern, 'postern_tunnels', 0);
    expect(descriptorsOf(postern)).toBeLessThanOrEqual(before + 2);
    expect(postern.stderr).not.toMatch(/MaxListeners|unhandled|uncaught/i);
  }, 15_000);
});

describe('what a sandbox may send', () => {
  it('is bounded by bytes_out, whatever part of a request it is put into', async () => {
    let received = 0;
    const { postern, authority, tunnel } = await startScene({
      rule: 'limits: { bytes_out: 64KiB/day }',
      origin: {
        onConnection: (connection) => {
          answering(OK)(connection);
          connection.socket.on('data', (bytes) => {
            received += bytes.length;
          });
        },
      },
    });
    const text = 'e'.repeat(3_000);
    const head = (target: string, fields: string): string =>
      `POST ${target} HTTP/1.1\r\nHost: ${authority}\r\n${fields}`;
    const carriers = [
      head(`/${text}`, '\r\n'),
      head(`/?q=${text}`, '\r\n'),
      head('/', `X-Data: ${text}\r\n\r\n`),
      head('/', `X-${text}: 1\r\n\r\n`),
      head('/', `Content-Length: 3000\r\n\r\n${text}`),
      head('/', `Transfer-Encoding: chunked\r\n\r\nbb8\r\n${text}\r\n0\r\n\r\n`),
      head('/', `Transfer-Encoding: chunked\r\n\r\n0\r\nX-Data: ${text}\r\n\r\n`),
    ];
    let refused = 0;
    for (let round = 0; round < 6; round++) {
      for (const carrier of carriers) {
        const client = await tunnel();
        client.send(carrier);
        const answer = await client.take(/^HTTP\/1\.1 (?:200 OK\r\n[\s\S]*ok|429 RATE_LIMITED\r\n[\s\S]*\}\}\n)/);
        if (answer.startsWith('HTTP/1.1 429')) refused++;
        client.socket.destroy();
      }
    }
    expect(refused).toBeGreaterThan(carriers.length * 2);
    // Framing of chunks is ours, and no more than a few bytes a chunk.
    expect(received).toBeLessThan(64 * 1024 + 1_000);
    expect(received).toBeGreaterThan(48 * 1024);
    expect(await metric(postern, 'postern_limited_total{sandbox="default",rule="all",limit="bytes_out"}')).toBe(
      refused,
    );
  });

  it('is bounded by requests, over any number of connections at once', async () => {
    const { origin, authority, tunnel } = await startScene({
      rule: 'limits: { requests: 10/h }',
      origin: { onConnection: answering(OK) },
    });
    const clients = await Promise.all(Array.from({ length: 12 }, () => tunnel()));
    const answers = clients.map(async (client) => {
      // Three at once on each connection.
      client.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`.repeat(3));
      let passed = 0;
      for (let count = 0; count < 3; count++) {
        const answer = await client.take(/^HTTP\/1\.1 (?:200 OK\r\n[\s\S]*?ok|429 [\s\S]*?\}\}\n)/);
        if (answer.startsWith('HTTP/1.1 200')) passed++;
      }
      return passed;
    });
    const passed = (await Promise.all(answers)).reduce((sum, each) => sum + each, 0);
    const seen = origin.connections.map(({ received }) => received.split('GET / ').length - 1);
    expect([passed, seen.reduce((sum, each) => sum + each, 0)]).toEqual([10, 10]);
  });

  it('is no smaller for a budget that others use up: sandboxes have their own', async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const policy = (name: string): string => `version: 1
sandbox: { name: ${name}, match: [{ token: { file: ../${name}.txt } }] }
rules: [{ name: all, hosts: [plain.test], schemes: [http], ports: [${origin.port}], limits: { requests: 1/h, concurrency: 1 } }]
`;
    const base = loopback();
    const postern = await startPostern({
      ...base,
      policies: { 'vm-a.yaml': policy('vm-a'), 'vm-b.yaml': policy('vm-b') },
      files: { ...base.files, 'vm-a.txt': 'vm-a-token-0123456789', 'vm-b.txt': 'vm-b-token-0123456789' },
    });
    const client = await connectRaw(postern.proxyPort);
    const statusFor = async (name: string): Promise<string> => {
      const credentials = Buffer.from(`${name}:${name}-token-0123456789`).toString('base64');
      const target = `plain.test:${origin.port}`;
      client.send(
        `GET http://${target}/ HTTP/1.1\r\nHost: ${target}\r\nProxy-Authorization: Basic ${credentials}\r\n\r\n`,
      );
      return (await client.take(/^HTTP\/1\.1 (?:200 OK\r\n[\s\S]*?ok|429 [\s\S]*?\}\}\n)/)).slice(9, 12);
    };
    const found = [];
    for (const name of ['vm-a', 'vm-a', 'vm-b', 'vm-a', 'vm-b']) found.push(await statusFor(name));
    expect(found).toEqual(['200', '429', '200', '429', '429']);
  });
});

describe('a stream of refusals', () => {
  it('does not grow the process', async () => {
    const { postern } = await startScene();
    const flood = async (from: number): Promise<void> => {
      for (let index = 0; index < 10; index++) {
        const client = await connectRaw(postern.proxyPort);
        const requests = Array.from({ length: 100 }, (_, at) => {
          const host = `h${from + index * 100 + at}.test`;
          return `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nX-Name-${from + index * 100 + at}: y\r\n\r\n`;
        });
        client.send(requests.join(''));
        for (let answers = 0; answers < 100; answers++) await client.take(/^HTTP\/1\.1 403 [^}]*\}\}\n/);
        client.socket.destroy();
      }
    };
    await flood(0);
    const before = residentBytes(postern);
    await flood(1_000);
    await flood(2_000);
    expect(residentBytes(postern) - before).toBeLessThan(24 * 1024 * 1024);
    const text = await (await fetch(`${postern.adminUrl}/metrics`)).text();
    expect(text).not.toMatch(/h\d+\.test/);
  });
});
