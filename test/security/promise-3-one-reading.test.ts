import { describe, expect, it } from 'vitest';
import { expectUnharmed, OK, refusalOn } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { answering } from '../support/origin.ts';
import type { Postern } from '../support/postern.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { seenBy, startPlainScene, startScene } from '../support/scene.ts';

closeOpened();

const unharmed = ({ postern }: { readonly postern: Postern }): void => expectUnharmed(postern);

/** What stands for the request target `/attack` and for the authority; each place of attack writes it in its own form. */
const TARGET = '<target>';
const AUTHORITY = '<authority>';

const post = (...lines: readonly string[]): string =>
  [`POST ${TARGET} HTTP/1.1`, `Host: ${AUTHORITY}`, ...lines, '', ''].join('\r\n');
const get = (...lines: readonly string[]): string =>
  [`GET ${TARGET} HTTP/1.1`, `Host: ${AUTHORITY}`, ...lines, '', ''].join('\r\n');

/** Messages that two parsers could read differently, with the code that refuses each. */
const ATTACKS: readonly (readonly [attack: string, bytes: string, code: string])[] = [
  ['CL.TE', `${post('Content-Length: 6', 'Transfer-Encoding: chunked')}0\r\n\r\nG`, 'FRAMING_INVALID'],
  ['TE.CL', `${post('Transfer-Encoding: chunked', 'Content-Length: 4')}0\r\n\r\n`, 'FRAMING_INVALID'],
  ['TE.TE', `${post('Transfer-Encoding: chunked', 'Transfer-encoding: cow')}0\r\n\r\n`, 'FRAMING_INVALID'],
  ['TE with a list', `${post('Transfer-Encoding: identity, chunked')}0\r\n\r\n`, 'FRAMING_INVALID'],
  ['TE with a vertical tab', `${post('Transfer-Encoding: \x0bchunked')}0\r\n\r\n`, 'REQUEST_INVALID'],
  ['TE after a space before the colon', `${post('Transfer-Encoding : chunked')}0\r\n\r\n`, 'REQUEST_INVALID'],
  ['TE folded', `${post('Transfer-Encoding:\r\n chunked')}0\r\n\r\n`, 'REQUEST_INVALID'],
  ['TE behind a bare CR', `${post('X: y\rTransfer-Encoding: chunked')}0\r\n\r\n`, 'REQUEST_INVALID'],
  ['TE behind a bare LF', `${post('X: y\nTransfer-Encoding: chunked')}0\r\n\r\n`, 'REQUEST_INVALID'],
  ['TE behind NUL', `${post('X: y\0', 'Transfer-Encoding: chunked')}0\r\n\r\n`, 'REQUEST_INVALID'],
  ['two lengths', `${post('Content-Length: 1', 'Content-Length: 2')}ab`, 'FRAMING_INVALID'],
  ['two equal lengths', `${post('Content-Length: 1', 'Content-Length: 1')}a`, 'FRAMING_INVALID'],
  ['a list of lengths', `${post('Content-Length: 1, 1')}a`, 'FRAMING_INVALID'],
  ['a signed length', `${post('Content-Length: +1')}a`, 'FRAMING_INVALID'],
  ['a length in hexadecimal', `${post('Content-Length: 0x1')}a`, 'FRAMING_INVALID'],
  ['a length that overflows', `${post('Content-Length: 18446744073709551617')}a`, 'FRAMING_INVALID'],
  ['two Host fields', get(`Host: ${AUTHORITY}`), 'HEADERS_AMBIGUOUS'],
  ['two Host fields that differ', get('Host: evil.test'), 'HEADERS_AMBIGUOUS'],
  ['an empty Host', get().replace(`Host: ${AUTHORITY}`, 'Host:'), 'REQUEST_INVALID'],
  ['a list in Host', get().replace(`Host: ${AUTHORITY}`, `Host: ${AUTHORITY}, evil.test`), 'REQUEST_INVALID'],
  ['user information in Host', get().replace(`Host: ${AUTHORITY}`, `Host: a@${AUTHORITY}`), 'REQUEST_INVALID'],
  ['no Host', get().replace(`Host: ${AUTHORITY}\r\n`, ''), 'REQUEST_INVALID'],
  ['another Host', get().replace(`Host: ${AUTHORITY}`, 'Host: other.test'), 'TARGET_MISMATCH'],
  ['a bare LF head', get().replaceAll('\r\n', '\n'), 'REQUEST_INVALID'],
  ['a space in the target', get().replace(TARGET, `${TARGET} /x`), 'REQUEST_INVALID'],
  ['a tab after the method', get().replace('GET ', 'GET\t'), 'REQUEST_INVALID'],
  ['a fragment', get().replace(TARGET, `${TARGET}#/../x`), 'TARGET_INVALID'],
  ['8-bit characters in the target', get().replace(TARGET, `${TARGET}\xa0`), 'TARGET_INVALID'],
  ['HTTP/0.9', `GET ${TARGET}\r\n\r\n`, 'REQUEST_INVALID'],
  ['HTTP/1.2', get().replace('HTTP/1.1', 'HTTP/1.2'), 'REQUEST_INVALID'],
  ['HTTP/2.0', get().replace('HTTP/1.1', 'HTTP/2.0'), 'REQUEST_INVALID'],
  [
    'chunked in HTTP/1.0',
    `${post('Transfer-Encoding: chunked').replace('HTTP/1.1', 'HTTP/1.0')}0\r\n\r\n`,
    'FRAMING_INVALID',
  ],
  ['a name that is no token', get('X Y: z'), 'REQUEST_INVALID'],
  ['an expectation nobody knows', get('Expect: 200-ok'), 'EXPECTATION_FAILED'],
  ['TRACE', get().replace('GET', 'TRACE'), 'METHOD_DENIED'],
  ['a chunk size with a sign', `${post('Transfer-Encoding: chunked')}+1\r\na\r\n0\r\n\r\n`, 'FRAMING_INVALID'],
  ['a chunk size line ended by LF', `${post('Transfer-Encoding: chunked')}1\na\r\n0\r\n\r\n`, 'FRAMING_INVALID'],
  [
    'a chunk extension with a bare CR',
    `${post('Transfer-Encoding: chunked')}1;x\ry\r\na\r\n0\r\n\r\n`,
    'FRAMING_INVALID',
  ],
];

/** A place to attack: how to get there, and how a target is written there. */
interface Place {
  connect(): Promise<RawClient>;
  readonly target: (path: string) => string;
  readonly authority: string;
}

describe('a request that could be read in two ways', () => {
  const inTunnel = shared(() => startScene({ origin: { onConnection: answering(OK) } }), unharmed);
  const inClear = shared(() => startPlainScene({ origin: { onConnection: answering(OK) } }), unharmed);

  const places = (): readonly Place[] => {
    const { authority: named, postern } = inClear();
    return [
      { connect: inTunnel().tunnel, target: (path) => path, authority: inTunnel().authority },
      { connect: () => connectRaw(postern.proxyPort), target: (path) => `http://${named}${path}`, authority: named },
    ];
  };

  const written = ({ target, authority }: Place, bytes: string): string =>
    bytes.replaceAll(TARGET, target('/attack')).replaceAll(AUTHORITY, authority);

  const good = ({ target, authority }: Place): string =>
    `GET ${target('/good')} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;

  it.each(ATTACKS)(
    'is refused for %s, inside a tunnel and in plain HTTP, as the first request and as a later one',
    async (_attack, bytes, code) => {
      const codes: string[] = [];
      for (const place of places()) {
        const first = await place.connect();
        first.send(written(place, bytes));
        codes.push(await refusalOn(first));
        const later = await place.connect();
        later.send(good(place));
        await later.take(/ok$/);
        later.send(written(place, bytes));
        codes.push(await refusalOn(later));
      }
      expect(codes.map((each) => each.replace(/^\d+ /, ''))).toEqual([code, code, code, code]);
    },
  );

  it('reached no origin in any of these', async () => {
    for (const place of places()) {
      const client = await place.connect();
      client.send(good(place));
      await client.take(/ok$/);
    }
    const seen = seenBy(inTunnel().origin, inClear().origin);
    expect(seen).not.toMatch(/attack/);
    expect(seen).toMatch(/^GET \/good HTTP\/1\.1\r\n/);
  });

  it('takes what follows it on the connection down with it: a smuggled request is never read', async () => {
    const { origin, authority, tunnel } = await startScene({ origin: { onConnection: answering(OK) } });
    const client = await tunnel();
    const smuggled = `GET /smuggled HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
    client.send(
      `POST /attack HTTP/1.1\r\nHost: ${authority}\r\nContent-Length: ${smuggled.length + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    );
    const answers = await client.untilEnded();
    expect(answers.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(seenBy(origin)).toBe('');
  });

  it('never becomes one by what a rule removes: a nominated length stays, underscore twins of framing do not pass', async () => {
    const { origin, authority, tunnel } = await startScene({ origin: { onConnection: answering(OK) } });
    const client = await tunnel();
    client.send(
      `POST /good HTTP/1.1\r\nHost: ${authority}\r\nConnection: content-length, host\r\nTransfer_Encoding: chunked\r\nContent-Length: 4\r\n\r\nbody`,
    );
    await client.take(/ok$/);
    const seen = seenBy(origin);
    expect(seen).toMatch(new RegExp(`^POST /good HTTP/1\\.1\\r\\nHost: ${authority}\\r\\nContent-Length: 4\\r\\n`));
    expect(seen.toLowerCase()).not.toMatch(/transfer|connection/);
  });
});

describe('a body that stops being readable in one way', () => {
  it('reaches the origin only as a message that is cut, never as one that ends', async () => {
    const { postern, origin, authority, tunnel } = await startScene();
    const client = await tunnel();
    client.send(`POST /a HTTP/1.1\r\nHost: ${authority}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`);
    const connection = await origin.next();
    await connection.until(/3\r\nabc\r\n$/);
    client.send('0x0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n');
    await client.until(/^HTTP\/1\.1 400 FRAMING_INVALID\r\n/);
    await connection.untilEnded();
    expect(connection.received).toMatch(/3\r\nabc\r\n$/);
    expect(await postern.audited({ code: 'FRAMING_INVALID' })).toMatchObject({ host: 'origin.test' });
  });
});
