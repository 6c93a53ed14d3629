import { createServer } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import { closeOpenedAtEnd } from '../support/closing.ts';
import { connected, inTunnel, sendUntilHeld } from '../support/faulty-client.ts';
import {
  type FaultyOrigin,
  type FaultyOriginOptions,
  type Manner,
  startFaultyOrigin,
} from '../support/faulty-origin.ts';
import { auditWritten, type Held, heldWhenQuiet } from '../support/observed.ts';
import { type AuditLine, type Postern, startPostern } from '../support/postern.ts';
import type { RawClient } from '../support/raw-client.ts';
import { loopback } from '../support/scene.ts';
import { SWITCHED, WEBSOCKET_FIELDS } from '../support/told-origin.ts';

closeOpenedAtEnd();

const EARLY = 'HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno';

/** How a client uses the origin: asks on it, and says what is to be sent on. */
type Use = (port: number) => Promise<RawClient>;

const webSocket: Use = async (port) => {
  const { client } = await connected(postern);
  client.send(`GET http://origin.test:${port}/ HTTP/1.1\r\nHost: origin.test:${port}\r\n${WEBSOCKET_FIELDS}\r\n`);
  await client.until(/^HTTP\/1\.1 101 /);
  return client;
};
const opaque: Use = async (port) => {
  const { client } = await inTunnel(postern, `127.0.0.1:${port}`);
  client.send('hello');
  return client;
};
/** Sends a body for as long as the proxy takes it, but no more than what the kernels on the way may hold. */
const upload: Use = async (port) => {
  const { client } = await connected(postern);
  const authority = `origin.test:${port}`;
  client.send(`POST http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nContent-Length: 999999999\r\n\r\n`);
  await sendUntilHeld(client, 'x'.repeat(256 * 1024), 32);
  return client;
};

interface Fault {
  readonly name: string;
  readonly use: Use;
  readonly origin: FaultyOriginOptions;
  readonly code: string | null;
  readonly status: number;
  /** What the client has at the end. */
  readonly received: RegExp;
}

const rows = (
  where: string,
  use: Use,
  origin: Omit<FaultyOriginOptions, 'manner'>,
  faults: readonly (readonly [Manner, string | null, number, RegExp])[],
): readonly Fault[] =>
  faults.map(([manner, code, status, received]) => ({
    name: `${where}: ${manner}`,
    use,
    origin: { ...origin, manner },
    code,
    status,
    received,
  }));

const FAULTS: readonly Fault[] = [
  ...rows('relay: in a WebSocket', webSocket, { point: 'answering', sent: SWITCHED, trickled: [...'abc'] }, [
    ['reset', null, 101, /\r\n\r\n$/],
    // Its end is passed on, and the client closes.
    ['close', null, 101, /\r\n\r\n$/],
    ['silence', 'IDLE_TIMEOUT', 101, /\r\n\r\n$/],
    ['trickle', 'IDLE_TIMEOUT', 101, /\r\n\r\nabc$/],
  ]),
  ...rows('relay: in an opaque tunnel', opaque, { point: 'hello-read', trickled: [...'abc'] }, [
    ['reset', null, 200, /^$/],
    ['close', null, 200, /^$/],
    ['silence', 'IDLE_TIMEOUT', 200, /^$/],
    ['trickle', 'IDLE_TIMEOUT', 200, /^abc$/],
  ]),
  ...rows('dispatch: in an upload, reading no more', upload, { point: 'request-read', deaf: true }, [
    ['reset', 'UPSTREAM_RESET', 502, /^HTTP\/1\.1 502 UPSTREAM_RESET\r\n/],
    ['close', 'UPSTREAM_RESET', 502, /^HTTP\/1\.1 502 UPSTREAM_RESET\r\n/],
    ['silence', 'IDLE_TIMEOUT', 504, /^HTTP\/1\.1 504 IDLE_TIMEOUT\r\n/],
  ]),
  ...rows(
    'relay: in an upload, with an answer before its end',
    upload,
    { point: 'answering', deaf: true, sent: EARLY },
    [
      ['close', null, 413, /^HTTP\/1\.1 413 Too Large\r\n[\s\S]*no$/],
      ['silence', null, 413, /^HTTP\/1\.1 413 Too Large\r\n[\s\S]*no$/],
    ],
  ),
];

let postern: Postern;
let before: Held;
let after: Held;
let closedPort = 0;
const origins: FaultyOrigin[] = [];
let received: readonly string[] = [];

beforeAll(async () => {
  for (const { origin } of FAULTS) origins.push(await startFaultyOrigin(origin));
  closedPort = await unusedPort();
  const ports = [...origins.map(({ port }) => port), closedPort].join(', ');
  const limits = Object.fromEntries(['response_head', 'idle', 'tunnel_idle'].map((name) => [name, '1s']));
  postern = await startPostern({
    policies: `version: 1
rules:
  - { hosts: [origin.test], schemes: [http], ports: [${ports}] }
subnets:
  allow: [{ cidr: 127.0.0.1/32, ports: [${ports}] }]
`,
    ...loopback(limits),
  });
  before = await heldWhenQuiet(postern);
  received = await Promise.all(
    FAULTS.map(async ({ use }, index) => {
      const client = await use(origins[index]?.port ?? 0);
      await client.untilEnded();
      client.socket.destroy();
      return client.received;
    }),
  );
  after = await heldWhenQuiet(postern);
  await auditWritten(postern);
});

/** A port where nothing listens. */
async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('an origin that fails', () => {
  it.each(FAULTS.map(({ name }, index) => [name, index] as const))('%s', (_name, index) => {
    const fault = FAULTS[index];
    const origin = origins[index];
    const lines = postern.audit.filter(({ port }: AuditLine) => port === origin?.port);
    expect(lines.map(({ code, status }) => [code, status])).toEqual([[fault?.code, fault?.status]]);
    expect(received[index]).toMatch(fault?.received ?? '');
    expect(origin?.accepted).toBe(1);
  });

  it('leaves nothing behind: no connection, descriptor or timer', () => {
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
    expect(after.timers).toBeLessThanOrEqual(before.timers);
    expect(postern.stderr).not.toMatch(/MaxListeners|unhandled|uncaught|INTERNAL/i);
  });
});

describe('a port where nothing listens', () => {
  it('is CONNECT_FAILED, for a request and, before the 200, for an opaque tunnel', async () => {
    const { client } = await connected(postern);
    const authority = `origin.test:${closedPort}`;
    client.send(`GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await client.until(/^HTTP\/1\.1 502 CONNECT_FAILED\r\n/);
    await expect(inTunnel(postern, `127.0.0.1:${closedPort}`)).rejects.toThrow(/^HTTP\/1\.1 502 CONNECT_FAILED: /);
  });
});
