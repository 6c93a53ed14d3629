import { describe, expect, it } from 'vitest';
import { connectTo, expectUnharmed, getFrom, OK, refusalOf, refusalOn } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { startDns } from '../support/dns.ts';
import { hello, serverNames } from '../support/hello-bytes.ts';
import { answering, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel } from '../support/raw-client.ts';
import { loopback } from '../support/scene.ts';

closeOpened();

/** Policies that let as much through as a policy can, the name itself included. */
const policies = (port: number): Record<string, string> => ({
  'default allow': 'version: 1\ndefault: allow\nrules: []\n',
  observe: 'version: 1\nmode: observe\nrules: []\n',
  'a rule for it': `version: 1\nrules:\n  - { hosts: [postern.internal, other.test], schemes: [http, https], ports: [80, 443, ${port}] }\n`,
  'a wildcard over it': `version: 1\nrules:\n  - { hosts: ["*.postern.internal"], schemes: [http, https], ports: [80, 443, ${port}] }\n`,
  'passthrough for it': `version: 1\nrules:\n  - { hosts: [postern.internal], ports: [80, 443, ${port}], tls: passthrough }\n`,
});
const NAMES = Object.keys(policies(1));

const scene = shared(
  async () => {
    const trap = await startOrigin({ onConnection: answering(OK) });
    // Somebody who answers for the name, in DNS and in the operator's own list.
    const dns = await startDns({ 'postern.internal': ['127.0.0.1'], 'x.postern.internal': ['127.0.0.1'] });
    const upstream = {
      dns: [`127.0.0.1:${dns.port}`],
      hosts: { 'postern.internal': ['127.0.0.1'], 'other.test': ['127.0.0.1'] },
      allow_addresses: ['127.0.0.0/8'],
    };
    const texts = policies(trap.port);
    const started = await Promise.all(
      NAMES.map((name) => startPostern({ policies: texts[name] ?? '', ...loopback(), settings: { upstream } })),
    );
    return { trap, dns, posternOf: new Map(started.map((postern, index) => [NAMES[index], postern])) };
  },
  ({ posternOf }) => posternOf.forEach(expectUnharmed),
);

describe('postern.internal', () => {
  it.each(NAMES)('is denied under %s, asks no DNS and leads nowhere', async (name) => {
    const { trap, dns, posternOf } = scene();
    const postern = posternOf.get(name);
    if (postern === undefined) throw new Error('unreachable');
    for (const host of ['postern.internal', 'POSTERN.Internal.', 'x.postern.internal']) {
      for (const port of [80, 443, trap.port]) {
        for (const path of ['/', '/ca.pem', '/env', '/policy'])
          expect(await refusalOf(postern, getFrom(`${host}:${port}`, path))).toBe('403 HOST_DENIED');
        expect(await refusalOf(postern, connectTo(`${host}:${port}`))).toBe('403 HOST_DENIED');
      }
    }
    expect(dns.questions).toEqual([]);
    expect(trap.connections).toHaveLength(0);
  });

  it('is denied as the name inside a tunnel to an address', async () => {
    const { trap, posternOf } = scene();
    const postern = posternOf.get('default allow');
    const client = await connectTunnel(postern?.proxyPort ?? 0, `192.0.2.9:${trap.port}`);
    client.socket.write(hello({ extensions: [serverNames([0, 'postern.internal'])] }));
    expect(await client.untilEnded()).toBe('');
    expect(trap.connections).toHaveLength(0);
  });

  it('is no name inside a tunnel to another host', async () => {
    const { trap, posternOf } = scene();
    const client = await connectTunnel(posternOf.get('a rule for it')?.proxyPort ?? 0, `other.test:${trap.port}`);
    client.send('GET /ca.pem HTTP/1.1\r\nHost: postern.internal\r\n\r\n');
    expect(await refusalOn(client)).toBe('421 TARGET_MISMATCH');
  });

  it.each([
    ['ends like it', 'evilpostern.internal'],
    ['begins like it', 'postern.internal.evil.test'],
    ['is its parent', 'internal'],
  ])('is not a name that %s', async (_attack, host) => {
    const client = await connectRaw(scene().posternOf.get('a rule for it')?.proxyPort ?? 0);
    client.send(getFrom(host));
    const answer = await client.take(/\}\}\n$/);
    expect(answer).toMatch(/^HTTP\/1\.1 403 HOST_DENIED\r\n/);
    expect(answer).toContain('No rule names');
  });
});
