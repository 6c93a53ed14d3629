import { beforeAll, describe, expect, it } from 'vitest';
import { closeOpenedAtEnd } from '../support/closing.ts';
import { connected, type FaultyClient, failClient, helloSent, inTls, inTunnel } from '../support/faulty-client.ts';
import type { Manner } from '../support/faulty-origin.ts';
import { auditWritten, type Held, heldWhenQuiet, inFlightByRule } from '../support/observed.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { type AuditLine, type Postern, startPostern } from '../support/postern.ts';
import { certificateFor, loopback } from '../support/scene.ts';
import { startToldOrigin, type ToldOrigin, WEBSOCKET_FIELDS } from '../support/told-origin.ts';

closeOpenedAtEnd();

const HELLO_BEGIN = '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03';
const NEVER = new Array<string>(100).fill('a');

/** Code and status of its audit line; null for none. */
type Line = readonly [code: string | null, status: number | null] | null;

interface Row {
  readonly where: string;
  readonly reach: () => Promise<FaultyClient>;
  readonly trickled?: readonly string[];
  readonly faults: readonly (readonly [Manner, Line])[];
}

let postern: Postern;
let plain: ToldOrigin;
let secure: ToldOrigin;
let opaque: Origin;
const plainAuthority = (): string => `plain.test:${plain.port}`;
const secureAuthority = (): string => `origin.test:${secure.port}`;

const sending = (at: () => Promise<FaultyClient>, text: () => string) => async (): Promise<FaultyClient> => {
  const faulty = await at();
  faulty.client.send(text());
  return faulty;
};
/** As `sending`, and then waits until something of that pattern came. */
const until = (reach: () => Promise<FaultyClient>, pattern: RegExp) => async (): Promise<FaultyClient> => {
  const faulty = await reach();
  await faulty.client.until(pattern);
  return faulty;
};
const outside = () => connected(postern);
const tunnel = () => inTunnel(postern, secureAuthority());
const tls = () => inTls(postern, secureAuthority(), 'origin.test');
const raw = () => inTunnel(postern, `127.0.0.1:${opaque.port}`);

const request = (method: string, target: string, authority: string, fields = ''): string =>
  `${method} ${target} HTTP/1.1\r\nHost: ${authority}\r\n${fields}\r\n`;
/** A request that the origin has read, up to what is sent of its body. The origin does what the path says. */
const asked =
  (inside: boolean, method: string, path: string, fields = '', body = '') =>
  async (): Promise<FaultyClient> => {
    const authority = inside ? secureAuthority() : plainAuthority();
    const faulty = await (inside ? tls() : outside());
    const target = `${path}?${++count}`;
    faulty.client.send(request(method, inside ? target : `http://${authority}${target}`, authority, fields) + body);
    await (inside ? secure : plain).seen(target);
    return faulty;
  };
let count = 0;

const NO_LINE = null;
const TUNNEL_WITHOUT_REQUESTS = [null, 200] as const;

const ROWS: readonly Row[] = [
  {
    where: 'accept: connected, and nothing sent',
    reach: outside,
    trickled: NEVER,
    faults: [
      ['reset', NO_LINE],
      ['close', NO_LINE],
      ['silence', NO_LINE],
      ['trickle', ['REQUEST_TIMEOUT', 408]],
    ],
  },
  {
    where: 'receive: in the head of a plain request',
    reach: sending(outside, () => 'GET http://plain.test/ HTTP/1.1\r\nHos'),
    trickled: NEVER,
    faults: [
      ['reset', NO_LINE],
      ['close', NO_LINE],
      ['silence', ['REQUEST_TIMEOUT', 408]],
      ['trickle', ['REQUEST_TIMEOUT', 408]],
    ],
  },
  {
    where: 'tunnel: in the head of a CONNECT',
    reach: sending(outside, () => 'CONNECT origin.test:443 HTTP/1.1\r\nHos'),
    trickled: NEVER,
    faults: [
      ['reset', NO_LINE],
      ['close', NO_LINE],
      ['silence', ['REQUEST_TIMEOUT', 408]],
      ['trickle', ['REQUEST_TIMEOUT', 408]],
    ],
  },
  {
    where: 'detect: the tunnel is open, and nothing said in it',
    reach: tunnel,
    trickled: NEVER,
    faults: [
      ['reset', TUNNEL_WITHOUT_REQUESTS],
      ['close', TUNNEL_WITHOUT_REQUESTS],
      ['silence', TUNNEL_WITHOUT_REQUESTS],
      ['trickle', ['REQUEST_TIMEOUT', 408]],
    ],
  },
  {
    where: 'detect: in the ClientHello',
    reach: sending(tunnel, () => HELLO_BEGIN),
    trickled: NEVER,
    faults: [
      ['reset', TUNNEL_WITHOUT_REQUESTS],
      ['close', TUNNEL_WITHOUT_REQUESTS],
      ['silence', TUNNEL_WITHOUT_REQUESTS],
      ['trickle', TUNNEL_WITHOUT_REQUESTS],
    ],
  },
  {
    where: 'handshake: after the ClientHello',
    reach: () => helloSent(postern, secureAuthority(), 'origin.test'),
    trickled: ['\x16', '\x03', '\x03', '\x20', '\x00', ...new Array<string>(40).fill('\x00')],
    faults: [
      ['reset', ['TLS_FAILED', 200]],
      ['close', ['TLS_FAILED', 200]],
      ['silence', ['TLS_FAILED', 200]],
      ['trickle', ['TLS_FAILED', 200]],
    ],
  },
  {
    where: 'receive: in the head of a request inside TLS',
    reach: sending(tls, () => 'GET / HTTP/1.1\r\nHos'),
    trickled: NEVER,
    faults: [
      ['reset', TUNNEL_WITHOUT_REQUESTS],
      ['close', TUNNEL_WITHOUT_REQUESTS],
      ['cut', TUNNEL_WITHOUT_REQUESTS],
      ['silence', ['REQUEST_TIMEOUT', 408]],
      ['trickle', ['REQUEST_TIMEOUT', 408]],
    ],
  },
  {
    where: 'dispatch: in the body of a plain request',
    reach: asked(false, 'POST', '/body', 'Content-Length: 10\r\n', 'abc'),
    trickled: [...'defghij'],
    faults: [
      ['reset', ['REQUEST_INVALID', null]],
      ['close', ['REQUEST_INVALID', 400]],
      ['silence', ['IDLE_TIMEOUT', 504]],
      ['trickle', [null, 200]],
    ],
  },
  {
    where: 'dispatch: in the body of a request inside TLS',
    reach: asked(true, 'POST', '/body', 'Transfer-Encoding: chunked\r\n', 'a\r\nabc'),
    trickled: [...'defghij\r\n0\r\n\r\n'],
    faults: [
      ['reset', ['REQUEST_INVALID', null]],
      ['close', ['REQUEST_INVALID', 400]],
      ['cut', ['REQUEST_INVALID', 400]],
      ['silence', ['IDLE_TIMEOUT', 504]],
      ['trickle', [null, 200]],
    ],
  },
  {
    where: 'receive: in a body that is held until it is whole',
    reach: sending(tls, () => `${request('POST', '/held', secureAuthority(), 'Content-Length: 10\r\n')}abc`),
    trickled: [...'defghij'],
    faults: [
      ['close', ['REQUEST_INVALID', 400]],
      ['cut', ['REQUEST_INVALID', 400]],
      ['silence', ['IDLE_TIMEOUT', 504]],
      ['trickle', [null, 200]],
    ],
  },
  {
    where: 'dispatch: while the answer to a plain request is waited for',
    reach: asked(false, 'GET', '/never'),
    faults: [
      ['reset', ['REQUEST_INVALID', null]],
      // It may have ended its side alone, and still read.
      ['close', ['HEAD_TIMEOUT', 504]],
      ['silence', ['HEAD_TIMEOUT', 504]],
    ],
  },
  {
    where: 'dispatch: while the answer to a request inside TLS is waited for',
    reach: asked(true, 'GET', '/never'),
    faults: [
      ['reset', ['REQUEST_INVALID', null]],
      ['close', ['HEAD_TIMEOUT', 504]],
      ['cut', ['REQUEST_INVALID', null]],
      ['silence', ['HEAD_TIMEOUT', 504]],
    ],
  },
  {
    where: 'relay: in the answer to a plain request, not reading on',
    reach: notReading(until(asked(false, 'GET', '/endless'), /x/)),
    faults: [
      ['reset', ['REQUEST_INVALID', 200]],
      ['close', ['IDLE_TIMEOUT', 200]],
      ['cut', ['REQUEST_INVALID', 200]],
      ['silence', ['IDLE_TIMEOUT', 200]],
    ],
  },
  {
    where: 'relay: in the answer to a request inside TLS, not reading on',
    reach: notReading(until(asked(true, 'GET', '/endless'), /x/)),
    faults: [
      ['reset', ['REQUEST_INVALID', 200]],
      ['cut', ['REQUEST_INVALID', 200]],
      ['silence', ['IDLE_TIMEOUT', 200]],
    ],
  },
  {
    where: 'conclude: after the answer to a plain request',
    reach: until(asked(false, 'GET', '/whole'), /ok$/),
    faults: [
      ['reset', [null, 200]],
      ['close', [null, 200]],
      ['silence', [null, 200]],
    ],
  },
  {
    where: 'conclude: after the answer to a request inside TLS',
    reach: until(asked(true, 'GET', '/whole'), /ok$/),
    faults: [
      ['reset', [null, 200]],
      ['close', [null, 200]],
      ['cut', [null, 200]],
      ['silence', [null, 200]],
    ],
  },
  {
    where: 'relay: in a WebSocket',
    reach: until(asked(true, 'GET', '/socket', WEBSOCKET_FIELDS), /\r\n\r\n$/),
    trickled: [...'abc'],
    faults: [
      ['reset', [null, 101]],
      ['close', [null, 101]],
      ['cut', [null, 101]],
      ['silence', ['IDLE_TIMEOUT', 101]],
      ['trickle', ['IDLE_TIMEOUT', 101]],
    ],
  },
  {
    where: 'relay: in an opaque tunnel',
    reach: sending(raw, () => 'abc'),
    trickled: [...'abc'],
    faults: [
      ['reset', [null, 200]],
      ['close', [null, 200]],
      ['silence', ['IDLE_TIMEOUT', 200]],
      ['trickle', ['IDLE_TIMEOUT', 200]],
    ],
  },
];

function notReading(reach: () => Promise<FaultyClient>) {
  return async (): Promise<FaultyClient> => {
    const faulty = await reach();
    faulty.client.socket.pause();
    return faulty;
  };
}

const CASES = ROWS.flatMap((row) =>
  row.faults.map(([manner, line]) => ({ ...row, manner, line, name: `${row.where}: ${manner}` })),
);
type Case = (typeof CASES)[number];

const linesByName = new Map<string, readonly AuditLine[]>();
let before: Held;
let after: Held;
let inFlight: Readonly<Record<string, number>>;

/** All at one time: most of them wait for a limit of a second. */
beforeAll(async () => {
  plain = await startToldOrigin();
  secure = await startToldOrigin(certificateFor('origin.test'));
  opaque = await startOrigin({ onConnection: ({ socket }) => socket.on('end', () => socket.end()) });
  const policies = `version: 1
secrets: { token: { file: ../secret.txt } }
rules:
  - { name: plain, hosts: [plain.test], schemes: [http], ports: [${plain.port}], limits: { concurrency: 1000 } }
  - name: held
    hosts: [origin.test]
    ports: [${secure.port}]
    paths: [/held]
    inject: [{ placeholder: { token: PSTRN-BODY-00001, value: "\${token}", in: [body] } }]
    limits: { concurrency: 1000 }
  - { name: secure, hosts: [origin.test], schemes: [http, https], ports: [${secure.port}], limits: { concurrency: 1000 } }
subnets:
  allow: [{ cidr: 127.0.0.1/32, ports: [${opaque.port}] }]
`;
  const second = ['client_head', 'tls', 'response_head', 'idle', 'tunnel_idle'].map((name) => [name, '1s']);
  postern = await startPostern({ policies, ...loopback(Object.fromEntries(second)) });
  before = await heldWhenQuiet(postern);
  const clients = await Promise.all(CASES.map(run));
  after = await heldWhenQuiet(postern);
  await auditWritten(postern);
  inFlight = await inFlightByRule(postern);
  for (const [index, { name }] of CASES.entries())
    linesByName.set(
      name,
      postern.audit.filter(({ client }) => client === clients[index]),
    );
});

/** One client to its fault, and to the end of its connection unless the fault was that. Resolves with its address. */
async function run({ reach, manner, trickled, line }: Case): Promise<string> {
  const faulty = await reach();
  const address = `127.0.0.1:${faulty.raw.localPort}`;
  failClient(faulty, manner, trickled);
  if (line !== null) await postern.audited({ client: address });
  faulty.client.socket.resume();
  // What is still open stays so until the proxy ends it, or has nothing more to wait for.
  if (line?.[0] === null && line[1] === 200 && manner === 'trickle') faulty.client.socket.destroy();
  await faulty.client.untilEnded();
  faulty.client.socket.destroy();
  return address;
}

describe('a client that fails', () => {
  it.each(CASES.map(({ name }) => [name] as const))('%s', (name) => {
    const wanted = CASES.find((each) => each.name === name)?.line ?? null;
    const lines = linesByName.get(name)?.map(({ code, status }) => [code, status]);
    expect(lines).toEqual(wanted === null ? [] : [wanted]);
  });

  it('leaves nothing behind: no connection, descriptor, timer or request that counts', () => {
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
    expect(after.timers).toBeLessThanOrEqual(before.timers);
    expect(inFlight).toEqual({ plain: 0, held: 0, secure: 0 });
    expect(postern.stderr).not.toMatch(/MaxListeners|unhandled|uncaught|INTERNAL/i);
  });
});
