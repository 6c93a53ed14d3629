import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { connected } from '../support/faulty-client.ts';
import { type DnsFault, startFaultyDns } from '../support/faulty-dns.ts';
import { heldWhenQuiet, metricBecomes } from '../support/observed.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel } from '../support/raw-client.ts';
import { loopback } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

async function scene(
  limits: Readonly<Record<string, unknown>> = {},
  rule = 'schemes: [http, https]',
  servers?: readonly string[],
) {
  const dns = await startFaultyDns('127.0.0.1');
  const origin = await startOrigin({ onConnection: answering(OK) });
  const base = loopback({ connect: '1s', ...limits });
  const postern = await startPostern({
    policies: `version: 1\nrules:\n  - { hosts: ["*.test"], ports: [${origin.port}], ${rule} }\n`,
    ...base,
    settings: {
      ...base.settings,
      upstream: { dns: servers ?? [`127.0.0.1:${dns.port}`], allow_addresses: ['127.0.0.0/8'] },
    },
  });
  const get = async (host: string): Promise<string> => {
    const client = await connectRaw(postern.proxyPort);
    client.send(`GET http://${host}:${origin.port}/ HTTP/1.1\r\nHost: ${host}:${origin.port}\r\n\r\n`);
    const answer = await client.take(/\r\n\r\n(ok|[\s\S]*\}\}\n)$/);
    client.socket.destroy();
    return answer;
  };
  return { dns, origin, postern, get };
}

const FAULTS: readonly DnsFault[] = [
  'missing',
  'failure',
  'refusal',
  'empty',
  'silence',
  'garbage',
  'forged',
  'truncated',
];

describe('a DNS server that fails', () => {
  it('is DNS_FAILED within limits.connect, for a request and for a tunnel, with one line each, and is asked again', async () => {
    const { dns, origin, postern, get } = await scene();
    const before = await heldWhenQuiet(postern);
    const startedMs = performance.now();
    await Promise.all(
      FAULTS.map(async (fault) => {
        expect(await get(`plain.${fault}.test`)).toMatch(/^HTTP\/1\.1 502 DNS_FAILED\r\n/);
        const asked = dns.asked(`plain.${fault}.test`);
        expect(await get(`plain.${fault}.test`)).toMatch(/^HTTP\/1\.1 502 DNS_FAILED\r\n/);
        expect(dns.asked(`plain.${fault}.test`)).toBeGreaterThan(asked);
        await expect(connectTunnel(postern.proxyPort, `tunnel.${fault}.test:${origin.port}`)).rejects.toThrow(
          /^HTTP\/1\.1 502 DNS_FAILED: Check the name\.\r\n/,
        );
      }),
    );
    // Three questions one after another, each with a second.
    expect(performance.now() - startedMs).toBeLessThan(4_500);
    const after = await heldWhenQuiet(postern);
    for (const fault of FAULTS) {
      const lines = postern.audit.filter(({ host }) => String(host).endsWith(`.${fault}.test`));
      expect(lines.map(({ protocol, code, status }) => [protocol, code, status])).toEqual([
        ['h1', 'DNS_FAILED', 502],
        ['h1', 'DNS_FAILED', 502],
        ['tunnel', 'DNS_FAILED', 502],
      ]);
    }
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
    expect(after.timers).toBeLessThanOrEqual(before.timers);
  });

  it('is DNS_FAILED where nothing listens', async () => {
    const { get } = await scene({}, undefined, ['127.0.0.1:9']);
    expect(await get('any.test')).toMatch(/^HTTP\/1\.1 502 DNS_FAILED\r\n/);
  });

  it('that never answers for AAAA delays nobody by more than a moment', async () => {
    const { get } = await scene({ connect: '10s' });
    const startedMs = performance.now();
    expect(await get('half.test')).toMatch(/ok$/);
    expect(performance.now() - startedMs).toBeLessThan(2_000);
  });
});

describe('a client that resets its connection while its name is looked up', () => {
  it('has nothing dialled for its request', async () => {
    const { dns, origin, postern } = await scene({ connect: '10s' });
    const { client, raw } = await connected(postern);
    client.send(`GET http://late.test:${origin.port}/ HTTP/1.1\r\nHost: late.test:${origin.port}\r\n\r\n`);
    await expect.poll(() => dns.asked('late.test')).toBe(2);
    raw.resetAndDestroy();
    expect(await postern.audited({ host: 'late.test' })).toMatchObject({ code: 'REQUEST_INVALID', status: null });
    dns.release();
    await heldWhenQuiet(postern);
    expect(origin.connections).toHaveLength(0);
  });

  it.each(['intercepted', 'opaque'])('is not told to have had its %s tunnel opened', async (kind) => {
    const { dns, origin, postern } = await scene(
      { connect: '10s' },
      kind === 'opaque' ? 'tls: passthrough' : undefined,
    );
    const { client, raw } = await connected(postern);
    client.send(`CONNECT late.test:${origin.port} HTTP/1.1\r\nHost: late.test:${origin.port}\r\n\r\n`);
    await expect.poll(() => dns.asked('late.test')).toBe(2);
    raw.resetAndDestroy();
    await metricBecomes(postern, 'postern_connections{side="client"}', 0);
    dns.release();
    expect(await postern.audited({ protocol: 'tunnel' })).toMatchObject({ code: 'REQUEST_INVALID', status: null });
    await heldWhenQuiet(postern);
  });
});
