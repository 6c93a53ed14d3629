import { describe, expect, it } from 'vitest';
import { closeOpened } from '../support/closing.ts';
import { answering, type Origin, startOrigin } from '../support/origin.ts';
import { startPostern } from '../support/postern.ts';
import { connectRaw, type RawClient } from '../support/raw-client.ts';
import { loopback, startScene } from '../support/scene.ts';

closeOpened();

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

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

/** Attacks one place, each attack on a connection of its own; what came of each, and what the origin saw in all. */
async function attack(
  connect: () => Promise<RawClient>,
  place: { readonly target: string; readonly authority: string },
  before: string | null,
): Promise<Record<string, string>> {
  const codes: Record<string, string> = {};
  for (const [name, bytes] of ATTACKS) {
    const client = await connect();
    if (before !== null) {
      client.send(before);
      await client.take(/ok$/);
    }
    client.send(bytes.replaceAll(TARGET, place.target).replaceAll(AUTHORITY, place.authority));
    const answer = await client.until(/^HTTP\/1\.1 [45]\d\d ([A-Z_]+)\r\n/);
    codes[name] = answer[1] ?? '';
    client.socket.destroy();
  }
  return codes;
}

const expected: Record<string, string> = Object.fromEntries(ATTACKS.map(([name, , code]) => [name, code]));

/** Everything that all connections to the origin brought. */
const seenBy = (origin: Origin): string => origin.connections.map(({ received }) => received).join('');

describe('a request that could be read in two ways', () => {
  it('is refused with its code on a connection that is new, inside a tunnel, and the origin sees none of it', async () => {
    const { origin, authority, tunnel } = await startScene({ origin: { onConnection: answering(OK) } });
    expect(await attack(() => tunnel(), { target: '/attack', authority }, null)).toEqual(expected);
    const client = await tunnel();
    client.send(`GET /good HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    await client.take(/ok$/);
    expect(seenBy(origin)).not.toMatch(/attack/);
    expect(seenBy(origin)).toMatch(/^GET \/good HTTP\/1\.1\r\n/);
  });

  it('is refused with its code after a request that was fine, inside a tunnel, and the origin sees none of it', async () => {
    const { origin, authority, tunnel } = await startScene({ origin: { onConnection: answering(OK) } });
    const before = `GET /good HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
    expect(await attack(() => tunnel(), { target: '/attack', authority }, before)).toEqual(expected);
    const client = await tunnel();
    client.send(before);
    await client.take(/ok$/);
    expect(seenBy(origin)).not.toMatch(/attack/);
    expect(seenBy(origin).split('GET /good ')).toHaveLength(ATTACKS.length + 2);
  });

  it('is refused with its code in plain HTTP, on first and later requests, and the origin sees none of it', async () => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const policies = `version: 1\nrules:\n  - { hosts: [plain.test], schemes: [http], ports: [${origin.port}] }\n`;
    const postern = await startPostern({ policies, ...loopback() });
    const authority = `plain.test:${origin.port}`;
    const place = { target: `http://${authority}/attack`, authority };
    const before = `GET http://${authority}/good HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
    const connect = (): Promise<RawClient> => connectRaw(postern.proxyPort);
    expect(await attack(connect, place, null)).toEqual(expected);
    expect(await attack(connect, place, before)).toEqual(expected);
    expect(seenBy(origin)).not.toMatch(/attack/);
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

describe('a condition that can be read in two ways', () => {
  const rules = (port: number): string => `version: 1
rules:
  - name: no-admin
    hosts: [origin.test]
    ports: [${port}]
    paths: ["/admin/**"]
    action: deny
  - name: main-only
    hosts: [origin.test]
    ports: [${port}]
    paths: ["/**"]
    query: { ref: main }
`;

  it.each([
    ['a dot segment', '/x/../admin/y?ref=main', 'PATH_AMBIGUOUS'],
    ['an encoded dot segment', '/x/%2e%2e/admin/y?ref=main', 'PATH_AMBIGUOUS'],
    ['an encoded letter', '/%61dmin/y?ref=main', 'RULE_DENIED'],
    ['two slashes', '//admin/y?ref=main', 'PATH_AMBIGUOUS'],
    ['a backslash', '/x\\..\\admin/y?ref=main', 'PATH_AMBIGUOUS'],
    ['an encoded slash', '/admin%2Fy?ref=main', 'PATH_AMBIGUOUS'],
    ['double encoding', '/%2561dmin/y?ref=main', 'PATH_AMBIGUOUS'],
    ['overlong UTF-8', '/%c0%afadmin?ref=main', 'PATH_AMBIGUOUS'],
    ['a path parameter', '/admin;x/y?ref=main', 'PATH_AMBIGUOUS'],
    ['NUL', '/admin%00/y?ref=main', 'PATH_AMBIGUOUS'],
    ['a repeated name', '/x?ref=main&ref=evil', 'RULE_DENIED'],
    ['an encoded repeated name', '/x?ref=main&re%66=evil', 'RULE_DENIED'],
    ['a semicolon', '/x?ref=main;ref=evil', 'RULE_DENIED'],
  ])('with %s does not allow', async (_name, target, code) => {
    const origin = await startOrigin({ onConnection: answering(OK) });
    const policies = rules(origin.port).replaceAll('ports:', 'schemes: [http]\n    ports:');
    const base = loopback();
    const postern = await startPostern({ policies, ...base });
    const client = await connectRaw(postern.proxyPort);
    client.send(`CONNECT origin.test:${origin.port} HTTP/1.1\r\n\r\n`);
    await client.take(/\r\n\r\n$/);
    client.send(`GET ${target} HTTP/1.1\r\nHost: origin.test:${origin.port}\r\n\r\n`);
    await client.until(new RegExp(`^HTTP/1\\.1 40[03] ${code}\\r\\n`));
    expect(origin.connections).toHaveLength(0);
  });
});
