import { describe, expect, it } from 'vitest';
import { expectUnharmed, getInside, OK, refusalOn } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { metricBecomes } from '../support/observed.ts';
import type { OriginConnection } from '../support/origin.ts';
import type { RawClient } from '../support/raw-client.ts';
import { SECRET, startScene } from '../support/scene.ts';

closeOpened();

const POISON = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison';

/** What the origin answers next, byte for byte; each request takes one. */
const answers: string[] = [];

/** An origin of the attacker's: it answers each head with the next of `answers`. */
function answerNext(connection: OriginConnection): void {
  let heads = 0;
  connection.socket.on('data', () => {
    const arrived = connection.received.split('\r\n\r\n').length - 1;
    for (; heads < arrived; heads++) connection.socket.write(answers.shift() ?? OK, 'latin1');
  });
}

const scene = shared(
  () => startScene({ origin: { onConnection: answerNext }, limits: { idle: '2s' } }),
  ({ postern }) => expectUnharmed(postern),
);

async function ask(client: RawClient, answer: string, path = '/attack', fields = ''): Promise<void> {
  answers.push(answer);
  client.send(getInside(scene().authority, path, fields));
}

/** The next request of the same sandbox gets its own answer: nothing that came before is taken for it. */
async function expectClean(client: RawClient | null = null): Promise<void> {
  const next = client ?? (await scene().tunnel());
  next.received = '';
  await ask(next, OK, '/good');
  expect(await next.take(/\r\n\r\n\w+$/)).toBe(OK);
}

/** Answers that two readers could end at different places. */
const CONFLICTS: readonly (readonly [attack: string, answer: string])[] = [
  [
    'a length and chunks',
    `HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${POISON}`,
  ],
  ['two lengths that differ', `HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 60\r\n\r\nok${POISON}`],
  ['two lengths that agree', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok'],
  ['a list of lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok'],
  ['a signed length', 'HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok'],
  ['an empty length', 'HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok'],
  ['a length behind a bare CR', 'HTTP/1.1 200 OK\r\nX: y\rContent-Length: 2\r\n\r\nok'],
  ['a length behind a bare LF', 'HTTP/1.1 200 OK\r\nX: y\nContent-Length: 2\r\n\r\nok'],
  ['a length before a space', 'HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok'],
  ['a length in a fold', 'HTTP/1.1 200 OK\r\nX: y\r\n Content-Length: 2\r\n\r\nok'],
  ['chunks twice', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['an unknown coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
  ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['another protocol', 'ICY 200 OK\r\n\r\n'],
  ['HTTP/0.9', '<html>poison</html>\r\n\r\n'],
  ['HTTP/2', 'HTTP/2 200\r\n\r\n'],
  ['a status of 1000', 'HTTP/1.1 1000 OK\r\n\r\n'],
  ['NUL in a field', 'HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 2\r\n\r\nok'],
  [
    'a field that repeats the credential, and is invalid (CVE-2025-62168)',
    `HTTP/1.1 200 OK\r\nX(y): ${SECRET}\r\n\r\n`,
  ],
];

describe('an answer', () => {
  it.each(CONFLICTS)(
    'with %s is refused, and the next request does not get the rest of it',
    async (_attack, answer) => {
      const client = await scene().tunnel();
      await ask(client, answer);
      expect(await refusalOn(client)).toBe('502 RESPONSE_INVALID');
      const refusal = await client.take(/\}\}\n$/);
      expect(refusal).not.toMatch(/poison/);
      expect(refusal).not.toContain(SECRET);
      await expectClean(client);
    },
  );

  it.each([
    [
      'a length',
      `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${POISON}`,
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    ],
    [
      'chunks',
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n${POISON}`,
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    ],
    ['no body', `HTTP/1.1 204 No Content\r\n\r\n${POISON}`, 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['a length of a 204', `HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\n${POISON}`, null],
    ['a length of a 304', `HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\n${POISON}`, null],
  ])(
    'by %s with another behind it ends where it says, and its connection is not used again',
    async (_attack, answer, whole) => {
      const client = await scene().tunnel();
      const before = scene().origin.connections.length;
      await ask(client, answer);
      const wanted = whole ?? answer.slice(0, -POISON.length);
      await client.until(/\r\n\r\n/);
      await expectClean();
      expect(client.received).toBe(wanted);
      await expectClean(client);
      expect(scene().origin.connections.length).toBeGreaterThan(before);
    },
  );

  it('to HEAD with a body ends at its head, and its connection is not used again', async () => {
    const client = await scene().tunnel();
    answers.push(POISON);
    client.send(`HEAD / HTTP/1.1\r\nHost: ${scene().authority}\r\n\r\n`);
    expect(await client.take(/\r\n\r\n$/)).toBe('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n');
    await expectClean(client);
  });

  it.each([
    ['an answer', POISON],
    ['half an answer', 'HTTP/1.1 200 OK\r\n'],
    ['one byte', 'H'],
    ['an empty line', '\r\n'],
  ])("that comes before its request as %s is nobody's: the connection is closed", async (_attack, bytes) => {
    const { origin, tunnel, postern } = scene();
    const client = await tunnel();
    await ask(client, OK, '/good');
    await client.take(/ok$/);
    const idle = origin.connections.filter(({ closed }) => !closed);
    for (const connection of idle) connection.socket.write(bytes);
    await metricBecomes(postern, 'postern_connections{side="upstream"}', 0);
    for (const { socket } of idle) socket.destroy();
    await expectClean(client);
  });

  it.each([
    [
      '101 to a request that asked for no upgrade',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
      '',
    ],
    [
      '101 to an upgrade that was taken away',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n',
      'Connection: Upgrade\r\nUpgrade: h2c\r\n',
    ],
    [
      '101 to a WebSocket handshake of another version',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
    ],
    ['101 with a body', `HTTP/1.1 101 Switching Protocols\r\nContent-Length: 6\r\n\r\npoison`, ''],
  ])('of %s switches nothing, and later bytes are not relayed', async (_attack, answer, fields) => {
    const client = await scene().tunnel();
    await ask(client, answer, '/attack', fields);
    expect(await refusalOn(client)).toBe('502 RESPONSE_INVALID');
    await client.take(/\}\}\n$/);
    await expectClean(client);
  });
});

describe('interim answers', () => {
  const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n';

  it.each([
    ['a flood of them', hints.repeat(100) + OK],
    ['a flood of 100', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1_000)],
    [
      'one whose length hides an answer',
      `HTTP/1.1 103 Early Hints\r\nContent-Length: ${POISON.length}\r\n\r\nxxxx\r\n\r\n`,
    ],
    ['one with a length and chunks', 'HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n0\r\n\r\n'],
    ['one that is folded', `HTTP/1.1 103 Early Hints\r\nLink: a\r\n b\r\n\r\n${OK}`],
    ['one of HTTP/2', `HTTP/2 103\r\n\r\n${OK}`],
  ])('as %s are refused', async (_attack, answer) => {
    const client = await scene().tunnel();
    await ask(client, answer);
    await client.until(/HTTP\/1\.1 502 RESPONSE_INVALID\r\n[\s\S]*\}\}\n$/);
    expect(client.received.match(/HTTP\/1\.1 1\d\d/g)?.length ?? 0).toBeLessThanOrEqual(32);
    await expectClean(client);
  });

  it('that nominate and name us reach the client without that', async () => {
    const client = await scene().tunnel();
    await ask(
      client,
      `HTTP/1.1 103 Early Hints\r\nX-Postern-Error: fake\r\nConnection: x-a\r\nX-A: b\r\nAlt-Svc: h3\r\nLink: </x>\r\n\r\n${OK}`,
    );
    expect(await client.take(/ok$/)).toBe(hints + OK);
  });

  it('are not sent to a client of HTTP/1.0, which would take them for the answer', async () => {
    const client = await scene().tunnel();
    answers.push(hints + OK);
    client.send(`GET / HTTP/1.0\r\nHost: ${scene().authority}\r\n\r\n`);
    expect(await client.untilEnded()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });
});

describe('what an answer claims to be', () => {
  it.each([
    ['our error code', 'X-Postern-Error: HOST_DENIED'],
    ['our error code with an underscore', 'X_Postern_Error: HOST_DENIED'],
    ['our id', 'X-Postern-Id: fake'],
    ['another way in', 'Alt-Svc: h3=":443"'],
    ['another way in with an underscore', 'Alt_Svc: h3=":443"'],
    ['a challenge of ours', 'Proxy-Authenticate: Basic realm="postern"'],
    ['a connection of ours', 'Proxy-Connection: keep-alive'],
    ['an upgrade', 'Upgrade: h2c'],
    ['a field that it nominates', 'Connection: x-a\r\nX-A: b'],
  ])('as %s does not reach the client', async (_attack, fields) => {
    const client = await scene().tunnel();
    await ask(client, `HTTP/1.1 200 OK\r\n${fields}\r\nContent-Length: 2\r\n\r\nok`);
    expect(await client.take(/ok$/)).toBe(OK);
  });
});

describe('a truncated answer', () => {
  it.each([
    ['of chunks, cut in a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab'],
    ['of chunks, cut after a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n'],
    ['of chunks, cut in the last one', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n'],
    ['of chunks, cut in its trailers', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: y\r\n'],
    ['of a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab'],
    ['of chunks that stop being chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n'],
  ])('%s, arrives as one that is cut', async (_attack, answer) => {
    const { origin, tunnel } = scene();
    const client = await tunnel();
    await ask(client, answer, '/cut');
    await client.until(/ab(\r\n)?$/);
    for (const { socket } of origin.connections) socket.end();
    const received = await client.untilEnded();
    expect(received).not.toMatch(/\r\n0\r\n(X: y\r\n)?\r\n$/);
    expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n(Transfer-Encoding: chunked|Content-Length: 5)\r\n\r\n/);
    await expectClean();
  });
});
