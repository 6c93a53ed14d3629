import { createSocket, type Socket } from 'node:dgram';
import { describe, expect, it } from 'vitest';
import { expectUnharmed, refusalOn } from '../support/attack.ts';
import { closeAfterTest, closeOpened, shared } from '../support/closing.ts';
import { startDns } from '../support/dns.ts';
import { labels, nameBytes, opt, queryBytes, readAnswer } from '../support/dns-query.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw } from '../support/raw-client.ts';
import { portsOf } from '../support/transparent.ts';

closeOpened();

const PUBLIC = '93.184.216.34';

/** A client that sends datagrams and takes what comes, in order. */
async function datagrams(port: number): Promise<{ send(bytes: Buffer): void; next(): Promise<Buffer> }> {
  const socket: Socket = closeAfterTest(createSocket('udp4'), (open) => open.close());
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const come: Buffer[] = [];
  const waiting: ((bytes: Buffer) => void)[] = [];
  socket.on('message', (bytes) => {
    const wake = waiting.shift();
    if (wake === undefined) come.push(bytes);
    else wake(bytes);
  });
  return {
    send: (bytes) => socket.send(bytes, port, '127.0.0.1'),
    next: () => {
      const there = come.shift();
      return there === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(there);
    },
  };
}

const POLICY = `version: 1
rules:
  - { hosts: [api.test, long.test] }
  - { hosts: ["*.wild.test"] }
`;

const scene = shared(
  async () => {
    const dns = await startDns({ 'api.test': [PUBLIC], 'long.test': [PUBLIC] });
    const postern = await startPostern({
      policies: POLICY,
      settings: {
        listen: { proxy: ['127.0.0.1:0'], dns: ['127.0.0.1:0'] },
        upstream: { dns: [`127.0.0.1:${dns.port}`] },
      },
    });
    const port = await postern.until(() => portsOf(postern, 'dns')[0]);
    return { postern, port, dns };
  },
  ({ postern }) => expectUnharmed(postern),
);

const VALID = queryBytes('api.test', { id: 0x7777, more: [opt()] });
const pointer = (at: number): Buffer => Buffer.from([0xc0, at]);

describe('a datagram', () => {
  it.each<[string, Buffer, number]>([
    ['a name that points to itself', queryBytes('', { name: pointer(12) }), 1],
    ['a name that points to the head', queryBytes('', { name: pointer(0) }), 1],
    ['two names that point to each other', queryBytes('', { name: Buffer.from([0xc0, 0x0e, 0xc0, 0x0c]) }), 1],
    [
      'an oversize label',
      queryBytes('', { name: Buffer.concat([Buffer.from([0x7f]), Buffer.alloc(127, 'a'), Buffer.from([0])]) }),
      1,
    ],
    ['a name of 300 bytes', queryBytes('', { name: labels(...new Array<string>(6).fill('a'.repeat(50))) }), 1],
    [
      'a thousand questions',
      Buffer.concat([
        queryBytes('api.test', { counts: [1000, 0, 0, 0] }),
        ...new Array<Buffer>(200).fill(Buffer.concat([nameBytes('b.test'), Buffer.from([0, 1, 0, 1])])),
      ]),
      1,
    ],
    ['65535 additional records', queryBytes('api.test', { counts: [1, 0, 0, 65_535] }), 1],
    [
      'an answer that it brings along',
      queryBytes('api.test', {
        counts: [1, 1, 0, 0],
        tail: Buffer.concat([pointer(12), Buffer.from('000100010000003c00045db8d822', 'hex')]),
      }),
      1,
    ],
    ['a dynamic update', queryBytes('api.test', { flags: 0x2800 }), 4],
    ['a notification', queryBytes('api.test', { flags: 0x2000 }), 4],
    ['a label that holds the dots of an allowed name', queryBytes('', { name: labels('api.test') }), 5],
    [
      'a label that hides another name behind NUL',
      queryBytes('', { name: labels('api', 'test\0', 'evil', 'test') }),
      5,
    ],
    ['an address as its name', queryBytes('127.0.0.1'), 5],
    ['a short address as its name', queryBytes('127.1'), 5],
    ['a name that is wild itself', queryBytes('*.wild.test'), 5],
    ['a search domain behind an allowed name', queryBytes('api.test.corp.test'), 5],
    ['the reverse name of an address', queryBytes('34.216.184.93.in-addr.arpa', { type: 12 }), 5],
  ])('with %s is refused, and asks nobody', async (_attack, bytes, rcode) => {
    const { port, dns } = scene();
    const before = dns.questions.length;
    const client = await datagrams(port);
    client.send(bytes);
    const answer = await client.next();
    expect(readAnswer(answer).rcode).toBe(rcode);
    expect(answer.length).toBeLessThanOrEqual(bytes.length);
    expect(dns.questions.length).toBe(before);
  });

  it.each<[string, Buffer]>([
    [
      'an answer, forged or not',
      Buffer.concat([
        queryBytes('api.test', { flags: 0x8180, counts: [1, 1, 0, 0] }),
        pointer(12),
        Buffer.from('000100010000003c00047f000001', 'hex'),
      ]),
    ],
    ['less than a head', Buffer.alloc(11, 0xff)],
    ['nothing', Buffer.alloc(0)],
    ['more than a query can have', Buffer.concat([VALID, Buffer.alloc(5_000)])],
  ])('that is %s is not answered', async (_attack, bytes) => {
    const client = await datagrams(scene().port);
    client.send(bytes);
    client.send(VALID);
    // The first that comes back belongs to the second that was sent.
    expect(readAnswer(await client.next())).toMatchObject({ id: 0x7777, records: [[1, PUBLIC]] });
  });

  it.each([0, 12, 512, 1232, 4096, 65_535])(
    'is never answered with more than it says it takes: %d',
    async (udpBytes) => {
      const many = Array.from({ length: 200 }, (_, index) => `93.184.215.${index + 1}`);
      Object.assign(scene().dns.zone, { 'long.test': many });
      const client = await datagrams(scene().port);
      client.send(queryBytes('long.test', { more: [opt({ udpBytes })] }));
      expect((await client.next()).length).toBeLessThanOrEqual(Math.max(512, Math.min(udpBytes, 1232)));
    },
  );
});

describe('names under a wildcard', () => {
  it('are looked up so fast and no faster, which bounds what they can carry out', async () => {
    const { postern, port } = await own();
    const client = await datagrams(port);
    const rcodes: number[] = [];
    const reasons = new Set<string>();
    for (let index = 0; index < 600; index++) {
      client.send(queryBytes(`data-${index}.wild.test`, { more: [opt()] }));
      const { rcode, edns } = readAnswer(await client.next());
      rcodes.push(rcode);
      if (edns !== null && edns !== 'plain') reasons.add(edns.text);
    }
    // Not there at first, and then not asked for.
    expect(rcodes.slice(0, 500).every((rcode) => rcode === 3)).toBe(true);
    expect(rcodes.filter((rcode) => rcode === 2).length).toBeGreaterThan(10);
    expect([...reasons]).toEqual(['RATE_LIMITED']);
    await postern.audited({ code: 'RATE_LIMITED', ingress: 'dns' });
  });

  it('wait for the resolver in a bounded number', async () => {
    const { postern, port, dns } = await own();
    dns.hold();
    const client = await datagrams(port);
    for (let index = 0; index < 70; index++) client.send(queryBytes(`held-${index}.wild.test`, { more: [opt()] }));
    expect(readAnswer(await client.next())).toMatchObject({ rcode: 2, edns: { text: 'OVERLOADED' } });
    dns.release();
    const rcodes: number[] = [];
    while (rcodes.length < 69) rcodes.push(readAnswer(await client.next()).rcode);
    expect(rcodes.filter((rcode) => rcode === 3)).toHaveLength(64);
    client.send(VALID);
    expect(readAnswer(await client.next()).records).toEqual([[1, PUBLIC]]);
    await postern.until(() =>
      postern.audit.filter(({ code }) => code === 'OVERLOADED').length === 6 ? true : undefined,
    );
  });

  async function own() {
    const dns = await startDns({ 'api.test': [PUBLIC] });
    const postern = await startPostern({
      policies: POLICY,
      settings: {
        listen: { proxy: ['127.0.0.1:0'], dns: ['127.0.0.1:0'] },
        upstream: { dns: [`127.0.0.1:${dns.port}`] },
      },
    });
    return { postern, dns, port: await postern.until(() => portsOf(postern, 'dns')[0]) };
  }
});

describe('a TCP connection to the DNS listener', () => {
  it.each([
    ['a length of nothing', '\0\0'],
    ['a length of 65535', '\xff\xff'],
    ['HTTP', 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n'],
    ['an answer', `\0\x1a${queryBytes('api.test', { flags: 0x8180 }).toString('latin1')}`],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ])('ends with %s', async (_attack, bytes) => {
    const client = await connectRaw(scene().port);
    client.send(bytes);
    expect(await client.untilEnded()).toBe('');
  });

  it('has all that it asks at once answered, as it reads', async () => {
    const { port } = scene();
    const question = queryBytes('api.test');
    const asked = Buffer.concat([Buffer.from([0, question.length]), question]).toString('latin1');
    const reading = await connectRaw(port);
    reading.send(asked.repeat(2_500));
    reading.end();
    // An answer has one record more than its question.
    expect(await reading.untilEnded()).toHaveLength(2_500 * (asked.length + 16));
  });

  it('is not reached through the proxy', async () => {
    const { postern, port } = scene();
    postern.write(
      'policies/test.yaml',
      `${POLICY}  - { hosts: [localhost], schemes: [http], ports: [${port}] }\nsubnets: { allow: [{ cidr: 127.0.0.0/8, ports: [${port}] }] }\n`,
    );
    await fetch(`${postern.adminUrl}/v1/reload`, { method: 'POST' });
    for (const host of ['localhost', '127.0.0.1']) {
      const client = await connectRaw(postern.proxyPort);
      client.send(`CONNECT ${host}:${port} HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`);
      expect(await refusalOn(client)).toBe('403 ADDRESS_DENIED');
    }
  });
});
