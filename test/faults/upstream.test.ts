import { beforeAll, describe, expect, it } from 'vitest';
import { closeOpenedAtEnd } from '../support/closing.ts';
import {
  type FaultyOrigin,
  type FaultyOriginOptions,
  type Manner,
  type OriginPoint,
  startFaultyOrigin,
} from '../support/faulty-origin.ts';
import { auditWritten, type Held, heldWhenQuiet, inFlightByRule } from '../support/observed.ts';
import { type AuditLine, type Postern, startPostern } from '../support/postern.ts';
import { connectRaw, connectTunnel, type RawClient } from '../support/raw-client.ts';
import { certificateFor, loopback } from '../support/scene.ts';

closeOpenedAtEnd();

/** What the client gets: an answer of ours, the whole answer of the origin, or the begin of one and then its end. */
type Seen = 'refusal' | 'whole' | 'cut';

interface Fault {
  /** Where in `docs/life-of-a-request.md` it happens, and how. */
  readonly name: string;
  readonly schemes: readonly ('http' | 'https')[];
  readonly origin: FaultyOriginOptions;
  readonly seen: Seen;
  readonly status: number;
  /** Of the audit line; more than one where the kernel decides who is first. */
  readonly codes: readonly (string | null)[];
}

const BOTH = ['http', 'https'] as const;
const TLS = ['https'] as const;
const TCP = ['http'] as const;
const LENGTH = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n';
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
const UNTIL_CLOSE = 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n';
const NEVER = new Array<string>(100).fill('a');

interface Row {
  readonly where: string;
  readonly point: OriginPoint;
  readonly sent?: string;
  readonly trickled?: readonly string[];
  /** Scheme, manner, what the client sees, status, codes. */
  readonly faults: readonly (readonly [Fault['schemes'], Manner, Seen, number, ...(string | null)[]])[];
}

const ROWS: readonly Row[] = [
  {
    where: 'dispatch: the connection is accepted, and then',
    point: 'accepted',
    faults: [
      [TCP, 'reset', 'refusal', 502, 'UPSTREAM_RESET', 'CONNECT_FAILED'],
      [TLS, 'reset', 'refusal', 502, 'TLS_FAILED', 'CONNECT_FAILED'],
      [TCP, 'close', 'refusal', 502, 'UPSTREAM_RESET'],
      [TLS, 'close', 'refusal', 502, 'TLS_FAILED'],
      [TCP, 'silence', 'refusal', 504, 'HEAD_TIMEOUT'],
      [TLS, 'silence', 'refusal', 502, 'TLS_FAILED'],
    ],
  },
  {
    where: 'dispatch: after our ClientHello',
    point: 'hello-read',
    faults: [
      [TLS, 'reset', 'refusal', 502, 'TLS_FAILED'],
      [TLS, 'close', 'refusal', 502, 'TLS_FAILED'],
      [TLS, 'silence', 'refusal', 502, 'TLS_FAILED'],
      [TLS, 'trickle', 'refusal', 502, 'TLS_FAILED'],
    ],
  },
  {
    where: 'dispatch: the request is read, and then',
    point: 'request-read',
    trickled: new Array<string>(20).fill('HTTP/1.1 102 Processing\r\n\r\n'),
    faults: [
      [BOTH, 'reset', 'refusal', 502, 'UPSTREAM_RESET'],
      [BOTH, 'close', 'refusal', 502, 'UPSTREAM_RESET'],
      [TLS, 'cut', 'refusal', 502, 'UPSTREAM_RESET'],
      [BOTH, 'silence', 'refusal', 504, 'HEAD_TIMEOUT'],
      [BOTH, 'trickle', 'refusal', 504, 'HEAD_TIMEOUT'],
    ],
  },
  {
    where: 'dispatch: in the head of the answer',
    point: 'answering',
    sent: 'HTTP/1.1 200 OK\r\nX-Half: ',
    trickled: NEVER,
    faults: [
      [BOTH, 'reset', 'refusal', 502, 'UPSTREAM_RESET'],
      [BOTH, 'close', 'refusal', 502, 'UPSTREAM_RESET'],
      [TLS, 'cut', 'refusal', 502, 'UPSTREAM_RESET'],
      [BOTH, 'silence', 'refusal', 504, 'HEAD_TIMEOUT'],
      [BOTH, 'trickle', 'refusal', 504, 'HEAD_TIMEOUT'],
    ],
  },
  {
    where: 'relay: in a body of known length',
    point: 'answering',
    sent: `${LENGTH}abc`,
    trickled: [...'defghij'],
    faults: [
      [BOTH, 'reset', 'cut', 200, 'UPSTREAM_RESET'],
      [BOTH, 'close', 'cut', 200, 'UPSTREAM_RESET'],
      [TLS, 'cut', 'cut', 200, 'UPSTREAM_RESET'],
      [BOTH, 'silence', 'cut', 200, 'IDLE_TIMEOUT'],
      [BOTH, 'trickle', 'whole', 200, null],
    ],
  },
  {
    where: 'relay: in a chunked body',
    point: 'answering',
    sent: `${CHUNKED}3\r\nabc\r\n`,
    trickled: [...'7\r\ndefghij\r\n0\r\n\r\n'],
    faults: [
      [BOTH, 'reset', 'cut', 200, 'UPSTREAM_RESET'],
      [BOTH, 'close', 'cut', 200, 'UPSTREAM_RESET'],
      [TLS, 'cut', 'cut', 200, 'UPSTREAM_RESET'],
      [BOTH, 'silence', 'cut', 200, 'IDLE_TIMEOUT'],
      [BOTH, 'trickle', 'whole', 200, null],
    ],
  },
  {
    where: 'relay: in a body that ends with the connection',
    point: 'answering',
    sent: `${UNTIL_CLOSE}abcdefghij`,
    trickled: ['k'],
    faults: [
      [BOTH, 'reset', 'cut', 200, 'UPSTREAM_RESET'],
      [BOTH, 'close', 'whole', 200, null],
      [TLS, 'cut', 'cut', 200, 'UPSTREAM_RESET'],
      [BOTH, 'silence', 'cut', 200, 'IDLE_TIMEOUT'],
      [BOTH, 'trickle', 'cut', 200, 'IDLE_TIMEOUT'],
    ],
  },
  {
    where: 'conclude: the answer is whole, and then',
    point: 'answered',
    sent: `${LENGTH}abcdefghij`,
    trickled: ['H'],
    faults: [
      [BOTH, 'reset', 'whole', 200, null],
      [BOTH, 'close', 'whole', 200, null],
      [TLS, 'cut', 'whole', 200, null],
      [BOTH, 'trickle', 'whole', 200, null],
    ],
  },
];

const FAULTS: readonly Fault[] = ROWS.flatMap(({ where, faults, ...origin }) =>
  faults.map(([schemes, manner, seen, status, ...codes]) => ({
    name: `${where} ${manner}`,
    schemes,
    origin: { ...origin, manner },
    seen,
    status,
    codes,
  })),
);

interface Case extends Fault {
  readonly scheme: 'http' | 'https';
  readonly served: FaultyOrigin;
}

interface Run {
  readonly received: string;
  readonly lines: readonly AuditLine[];
}

const cases: Case[] = [];
const runByCase = new Map<string, Run>();
let postern: Postern;
let before: Held;
let after: Held;
let inFlight: Readonly<Record<string, number>>;

const labelOf = ({ scheme, name }: Pick<Case, 'scheme' | 'name'>): string => `${scheme}, ${name}`;

/** All at one time: most of them wait for a limit of a second. */
beforeAll(async () => {
  const tls = certificateFor('origin.test');
  for (const fault of FAULTS) {
    for (const scheme of fault.schemes) {
      const served = await startFaultyOrigin(scheme === 'https' ? { ...fault.origin, tls } : fault.origin);
      cases.push({ ...fault, scheme, served });
    }
  }
  const policies = `version: 1
rules:
  - { name: all, hosts: [origin.test], schemes: [http, https], ports: [${cases.map(({ served }) => served.port).join(', ')}], limits: { concurrency: 1000 } }
`;
  postern = await startPostern({
    policies,
    ...loopback({ connect: '1s', tls: '1s', response_head: '1s', idle: '1s' }),
  });
  before = await heldWhenQuiet(postern);
  const runs = await Promise.all(cases.map(run));
  after = await heldWhenQuiet(postern);
  await auditWritten(postern);
  inFlight = await inFlightByRule(postern);
  for (const [index, each] of cases.entries()) {
    const lines = postern.audit.filter(({ port }) => port === each.served.port);
    runByCase.set(labelOf(each), { received: runs[index] ?? '', lines });
  }
});

/** One request to its end; resolves with what came. */
async function run({ scheme, served, seen }: Case): Promise<string> {
  const authority = `origin.test:${served.port}`;
  const client = await clientFor(scheme, authority);
  client.send(`GET ${scheme === 'http' ? `http://${authority}` : ''}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  await client.until(/HTTP\/1\.1 [2-5][\s\S]*\r\n\r\n/);
  if (seen === 'cut') await client.untilEnded();
  else await postern.audited({ port: served.port });
  client.socket.destroy();
  // After a whole answer the connection is kept, for as long as the origin keeps it.
  if (seen === 'whole') served.end();
  return client.received;
}

async function clientFor(scheme: Case['scheme'], authority: string): Promise<RawClient> {
  if (scheme === 'http') return await connectRaw(postern.proxyPort);
  const client = await connectTunnel(postern.proxyPort, authority);
  await client.secure({ servername: 'origin.test', ca: postern.ca });
  return client;
}

const LABELS = FAULTS.flatMap((fault) => fault.schemes.map((scheme) => [labelOf({ ...fault, scheme })] as const));

describe('an origin that fails', () => {
  it.each(LABELS)('%s', (label) => {
    const each = cases.find((one) => labelOf(one) === label);
    const done = runByCase.get(label);
    if (each === undefined || done === undefined) throw new Error('it did not run');
    expect(done.lines).toHaveLength(1);
    const [line] = done.lines;
    expect(each.codes).toContain(line?.code);
    expect(line).toMatchObject({ status: each.status, decision: 'allow', sandbox: 'default', rule: 'all' });
    if (each.seen === 'refusal') expect(refusalIn(done.received)).toEqual([each.status, line?.code]);
    else expect(bodyIn(done.received)).toEqual(each.seen === 'whole' ? 'whole' : 'cut');
    // Nothing of it was kept: what the origin has not closed itself was closed by us.
    expect(each.served.open).toBe(0);
    expect(each.served.accepted).toBe(1);
  });

  it('leaves nothing behind: no connection, descriptor, timer or request that counts', () => {
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
    expect(after.timers).toBeLessThanOrEqual(before.timers);
    expect(inFlight).toEqual({ all: 0 });
    expect(postern.stderr).not.toMatch(/MaxListeners|unhandled|uncaught|INTERNAL/i);
  });
});

/** Status and code of an answer of ours, after interim answers of the origin. */
function refusalIn(received: string): readonly [number, string | undefined] {
  const last = received.split(/(?=HTTP\/1\.1 )/).at(-1) ?? '';
  const body: unknown = JSON.parse(last.split('\r\n\r\n')[1] ?? 'null');
  const code = /^X-Postern-Error: (\S+)\r$/m.exec(last)?.[1];
  expect(body).toMatchObject({ error: { code } });
  return [Number(last.slice(9, 12)), code];
}

/** Whether the body is whole by its framing; the last ten letters of the alphabet's first are what every origin sends. */
function bodyIn(received: string): Seen {
  const body = received.split('\r\n\r\n').slice(1).join('\r\n\r\n');
  if (/^Transfer-Encoding: chunked\r$/m.test(received))
    return body.endsWith('0\r\n\r\n') || /0\r\n$/.test(body) ? 'whole' : 'cut';
  return body === 'abcdefghij' ? 'whole' : 'cut';
}
