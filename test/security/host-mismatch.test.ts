import { describe, expect, it } from 'vitest';
import { expectUnharmed, getInside, OK, refusalOn } from '../support/attack.ts';
import { closeOpened, shared } from '../support/closing.ts';
import { alpn, extension, hello, helloMessage, inRecords, serverNames, vector16 } from '../support/hello-bytes.ts';
import { metric } from '../support/observed.ts';
import { answering } from '../support/origin.ts';
import { connectTunnel } from '../support/raw-client.ts';
import { seenBy, startScene } from '../support/scene.ts';

closeOpened();

const scene = shared(
  () => startScene({ origin: { onConnection: answering(OK) } }),
  ({ postern }) => expectUnharmed(postern),
);

describe('a request inside a tunnel', () => {
  /** `<A>` stands for the authority of the tunnel. */
  const ATTACKS: readonly (readonly [attack: string, request: string, code: string])[] = [
    ['another Host', 'GET /attack HTTP/1.1\r\nHost: other.test\r\nX: <A>\r\n\r\n', '421 TARGET_MISMATCH'],
    ['another port in Host', 'GET /attack HTTP/1.1\r\nHost: origin.test:1\r\n\r\n', '421 TARGET_MISMATCH'],
    ['the usual port in Host', 'GET /attack HTTP/1.1\r\nHost: origin.test\r\n\r\n', '421 TARGET_MISMATCH'],
    ['a subdomain in Host', 'GET /attack HTTP/1.1\r\nHost: a.<A>\r\n\r\n', '421 TARGET_MISMATCH'],
    ['the parent in Host', 'GET /attack HTTP/1.1\r\nHost: test\r\n\r\n', '421 TARGET_MISMATCH'],
    ['the address in Host', 'GET /attack HTTP/1.1\r\nHost: 127.0.0.1:443\r\n\r\n', '421 TARGET_MISMATCH'],
    ['localhost in Host', 'GET /attack HTTP/1.1\r\nHost: localhost\r\n\r\n', '421 TARGET_MISMATCH'],
    [
      'two Hosts, the right one first',
      'GET /attack HTTP/1.1\r\nHost: <A>\r\nHost: other.test\r\n\r\n',
      '400 HEADERS_AMBIGUOUS',
    ],
    [
      'two Hosts, the right one last',
      'GET /attack HTTP/1.1\r\nHost: other.test\r\nHost: <A>\r\n\r\n',
      '400 HEADERS_AMBIGUOUS',
    ],
    [
      'two Hosts in different case',
      'GET /attack HTTP/1.1\r\nhost: <A>\r\nHOST: other.test\r\n\r\n',
      '400 HEADERS_AMBIGUOUS',
    ],
    ['a Host that is folded', 'GET /attack HTTP/1.1\r\nHost: <A>\r\n .evil.test\r\n\r\n', '400 REQUEST_INVALID'],
    [
      'a Host with a space before its colon',
      'GET /attack HTTP/1.1\r\nHost : <A>\r\nHost: <A>\r\n\r\n',
      '400 REQUEST_INVALID',
    ],
    [
      'a Host with a line end (CVE-2023-29406)',
      'GET /attack HTTP/1.1\r\nHost: <A>\nX: y\r\n\r\n',
      '400 REQUEST_INVALID',
    ],
    ['a Host that is a URL', 'GET /attack HTTP/1.1\r\nHost: https://<A>/\r\n\r\n', '400 REQUEST_INVALID'],
    ['a Host that is empty', 'GET /attack HTTP/1.1\r\nHost:\r\n\r\n', '400 REQUEST_INVALID'],
    ['no Host', 'GET /attack HTTP/1.1\r\nX-Forwarded-Host: <A>\r\n\r\n', '400 REQUEST_INVALID'],
    ['another Host in HTTP/1.0', 'GET /attack HTTP/1.0\r\nHost: other.test\r\n\r\n', '421 TARGET_MISMATCH'],
    ['another absolute target', 'GET https://other.test/attack HTTP/1.1\r\nHost: <A>\r\n\r\n', '421 TARGET_MISMATCH'],
    [
      'another absolute target and Host',
      'GET https://other.test/attack HTTP/1.1\r\nHost: other.test\r\n\r\n',
      '421 TARGET_MISMATCH',
    ],
    [
      'an absolute target beside another Host',
      'GET https://<A>/attack HTTP/1.1\r\nHost: other.test\r\n\r\n',
      '421 TARGET_MISMATCH',
    ],
    [
      'another port in the target',
      'GET https://origin.test:1/attack HTTP/1.1\r\nHost: <A>\r\n\r\n',
      '421 TARGET_MISMATCH',
    ],
    ['another scheme in the target', 'GET http://<A>/attack HTTP/1.1\r\nHost: <A>\r\n\r\n', '400 TARGET_INVALID'],
    [
      'a scheme of WebSockets in the target',
      'GET wss://<A>/attack HTTP/1.1\r\nHost: <A>\r\n\r\n',
      '400 TARGET_INVALID',
    ],
    ['user information in the target', 'GET https://x@<A>/attack HTTP/1.1\r\nHost: <A>\r\n\r\n', '400 TARGET_INVALID'],
    [
      'the authority as user information',
      'GET https://<A>@other.test/attack HTTP/1.1\r\nHost: <A>\r\n\r\n',
      '400 TARGET_INVALID',
    ],
    [
      'a backslash after the authority',
      'GET https://<A>\\@other.test/attack HTTP/1.1\r\nHost: <A>\r\n\r\n',
      '400 TARGET_INVALID',
    ],
    ['authority-form', 'GET <A> HTTP/1.1\r\nHost: <A>\r\n\r\n', '400 TARGET_INVALID'],
    ['* for another method than OPTIONS', 'GET * HTTP/1.1\r\nHost: <A>\r\n\r\n', '400 TARGET_INVALID'],
    ['no slash before the path', 'GET attack HTTP/1.1\r\nHost: <A>\r\n\r\n', '400 TARGET_INVALID'],
    ['CONNECT inside CONNECT', 'CONNECT <A> HTTP/1.1\r\nHost: <A>\r\n\r\n', '403 METHOD_DENIED'],
    [
      'CONNECT to another host inside CONNECT',
      'CONNECT other.test:443 HTTP/1.1\r\nHost: other.test\r\n\r\n',
      '403 METHOD_DENIED',
    ],
    ['CONNECT in lower case', 'connect <A> HTTP/1.1\r\nHost: <A>\r\n\r\n', '400 TARGET_INVALID'],
    ['CONNECT in lower case with a path', 'connect /attack HTTP/1.1\r\nHost: <A>\r\n\r\n', '403 METHOD_DENIED'],
    ['TRACE', 'TRACE /attack HTTP/1.1\r\nHost: <A>\r\n\r\n', '403 METHOD_DENIED'],
    ['TRACE in lower case', 'trace /attack HTTP/1.1\r\nHost: <A>\r\n\r\n', '403 METHOD_DENIED'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '400 REQUEST_INVALID'],
  ];

  it.each(ATTACKS)('with %s is refused, first or later on the connection', async (_attack, request, code) => {
    const { authority, tunnel } = scene();
    const first = await tunnel();
    first.send(request.replaceAll('<A>', authority));
    const later = await tunnel();
    later.send(getInside(authority, '/good'));
    await later.take(/ok$/);
    later.send(request.replaceAll('<A>', authority));
    expect([await refusalOn(first), await refusalOn(later)]).toEqual([code, code]);
  });

  it('did not reach the origin in any of these: it saw the requests before them alone', async () => {
    const { authority, tunnel, origin } = scene();
    const client = await tunnel();
    client.send(getInside(authority, '/good'));
    await client.take(/ok$/);
    expect(new Set(seenBy(origin).match(/^[A-Za-z]+ \S+/gm))).toEqual(new Set(['GET /good']));
  });
});

/** A host_name of RFC 6066 with the authority's name in it, and what else an attacker adds. */
const NAMES: readonly (readonly [attack: string, extensions: readonly Buffer[], code: string])[] = [
  ['another name', [serverNames([0, 'other.test'])], 'TARGET_MISMATCH'],
  ['a subdomain', [serverNames([0, 'a.origin.test'])], 'TARGET_MISMATCH'],
  ['the parent', [serverNames([0, 'test'])], 'TARGET_MISMATCH'],
  ['a wildcard', [serverNames([0, '*.test'])], 'TARGET_MISMATCH'],
  ['an address', [serverNames([0, '127.0.0.1'])], 'TARGET_MISMATCH'],
  ['a port behind the name', [serverNames([0, 'origin.test:443'])], 'TARGET_MISMATCH'],
  ['two final dots', [serverNames([0, 'origin.test..'])], 'TARGET_MISMATCH'],
  ['an escape', [serverNames([0, 'origin%2etest'])], 'TARGET_MISMATCH'],
  ['an empty name', [serverNames([0, ''])], 'PROTOCOL_DENIED'],
  ['NUL behind the name', [serverNames([0, 'origin.test\0.evil.test'])], 'PROTOCOL_DENIED'],
  ['a space behind the name', [serverNames([0, 'origin.test '])], 'PROTOCOL_DENIED'],
  ['8-bit characters', [serverNames([0, 'origin.test\xe9'])], 'PROTOCOL_DENIED'],
  ['two names', [serverNames([0, 'origin.test'], [0, 'other.test'])], 'PROTOCOL_DENIED'],
  ['a name of another type', [serverNames([1, 'origin.test'])], 'PROTOCOL_DENIED'],
  ['a name of another type before the name', [serverNames([1, 'other.test'], [0, 'origin.test'])], 'PROTOCOL_DENIED'],
  ['an empty list of names', [extension(0, vector16(Buffer.alloc(0)))], 'PROTOCOL_DENIED'],
  ['the extension twice', [serverNames([0, 'origin.test']), serverNames([0, 'other.test'])], 'PROTOCOL_DENIED'],
  ['bytes behind the list', [extension(0, Buffer.from('0000', 'hex'))], 'PROTOCOL_DENIED'],
];

describe('a ClientHello', () => {
  it.each(NAMES)('with %s is cut off without an answer, and no leaf is made', async (_attack, extensions, code) => {
    const { postern, authority } = scene();
    const before = postern.audit.filter((line) => line.code === code).length;
    const leaves = await metric(postern, 'postern_leaf_certificates_total{outcome="minted"}');
    const client = await connectTunnel(postern.proxyPort, authority);
    client.socket.write(hello({ extensions: [alpn('http/1.1'), ...extensions] }));
    expect(await client.untilEnded()).toBe('');
    await postern.until(() => postern.audit.filter((line) => line.code === code)[before]);
    expect(await metric(postern, 'postern_leaf_certificates_total{outcome="minted"}')).toBe(leaves);
  });

  it.each([
    ['in records of one byte, as many as it takes', 1],
    ['in records of 16 bytes', 16],
    ['in records of 100 bytes', 100],
  ])('that names another host %s is cut off all the same (CVE-2026-32305)', async (_attack, bytesEach) => {
    const { postern, authority } = scene();
    const client = await connectTunnel(postern.proxyPort, authority);
    const message = helloMessage({ extensions: [serverNames([0, 'other.test'])] });
    for (const record of inRecords(message, bytesEach)) client.socket.write(Buffer.of(record));
    expect(await client.untilEnded()).toBe('');
  });
});
