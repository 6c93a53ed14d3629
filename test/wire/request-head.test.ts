import { describe, expect, it } from 'vitest';
import { LIMITS, readRequest } from '../support/http1.ts';

const REFUSED: readonly (readonly [attack: string, request: string])[] = [
  ['a bare LF after the request line', 'GET / HTTP/1.1\nHost: a.test\r\n\r\n'],
  ['a bare LF after a field', 'GET / HTTP/1.1\r\nHost: a.test\nX: y\r\n\r\n'],
  ['LF LF as the end of the head', 'GET / HTTP/1.1\nHost: a.test\n\n'],
  ['a bare CR in a value', 'GET / HTTP/1.1\r\nHost: a.test\r\nX: a\rb\r\n\r\n'],
  ['CR CR LF as a line end', 'GET / HTTP/1.1\r\r\nHost: a.test\r\n\r\n'],
  ['NUL in a value', 'GET / HTTP/1.1\r\nHost: a.test\r\nX: a\0b\r\n\r\n'],
  ['a control character in a name', 'GET / HTTP/1.1\r\nHost: a.test\r\nX\x01: b\r\n\r\n'],
  ['DEL in a value', 'GET / HTTP/1.1\r\nHost: a.test\r\nX: a\x7fb\r\n\r\n'],
  ['a folded field', 'GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\n b\r\n\r\n'],
  ['a field folded with a tab', 'GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\n\tb\r\n\r\n'],
  ['white space before the first field', 'GET / HTTP/1.1\r\n Host: a.test\r\n\r\n'],
  ['a space before the colon', 'GET / HTTP/1.1\r\nHost : a.test\r\n\r\n'],
  ['a tab before the colon', 'GET / HTTP/1.1\r\nHost\t: a.test\r\n\r\n'],
  ['a field without a name', 'GET / HTTP/1.1\r\nHost: a.test\r\n: b\r\n\r\n'],
  ['a field without a colon', 'GET / HTTP/1.1\r\nHost: a.test\r\nnonsense\r\n\r\n'],
  ['a name that is no token', 'GET / HTTP/1.1\r\nHost: a.test\r\nX(y): b\r\n\r\n'],
  ['a name in 8-bit characters', 'GET / HTTP/1.1\r\nHost: a.test\r\nX\xe9: b\r\n\r\n'],
  ['HTTP/0.9', 'GET /\r\n\r\n'],
  ['HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a.test\r\n\r\n'],
  ['HTTP/1.10', 'GET / HTTP/1.10\r\nHost: a.test\r\n\r\n'],
  ['HTTP/01.1', 'GET / HTTP/01.1\r\nHost: a.test\r\n\r\n'],
  ['the version in lower case', 'GET / http/1.1\r\nHost: a.test\r\n\r\n'],
  ['the HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['two spaces after the method', 'GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['a tab in the request line', 'GET\t/ HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['a space in the target', 'GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['a space after the version', 'GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n'],
  ['a space before the method', ' GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['an empty line before the first request', '\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['8-bit characters in the target', 'GET /\xe9 HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['a method that is no token', 'G@T / HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['a method without end', `${'G'.repeat(100)} / HTTP/1.1\r\nHost: a.test\r\n\r\n`],
  ['no method', ' / HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['no target', 'GET  HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['only a method', 'GET\r\nHost: a.test\r\n\r\n'],
  ['HTTP/0.9 with a space at the end', 'GET / \r\n\r\n'],
  ['HTTP/2.0', 'GET / HTTP/2.0\r\nHost: a.test\r\n\r\n'],
  ['HTTP/3', 'GET / HTTP/3\r\nHost: a.test\r\n\r\n'],
  ['HTTP/1', 'GET / HTTP/1\r\nHost: a.test\r\n\r\n'],
  ['HTTP/1.', 'GET / HTTP/1.\r\nHost: a.test\r\n\r\n'],
  ['HTTP/1.1.1', 'GET / HTTP/1.1.1\r\nHost: a.test\r\n\r\n'],
  ['HTTP/+1.1', 'GET / HTTP/+1.1\r\nHost: a.test\r\n\r\n'],
  ['HTTP/1,1', 'GET / HTTP/1,1\r\nHost: a.test\r\n\r\n'],
  ['HTTP /1.1', 'GET / HTTP /1.1\r\nHost: a.test\r\n\r\n'],
  ['CR CR inside the version', 'GET / HTTP/\r\r1.1\r\nHost: a.test\r\n\r\n'],
  ['NUL after the version', 'GET / HTTP/1.1\0\r\nHost: a.test\r\n\r\n'],
  ['a second version', 'GET / HTTP/1.1 HTTP/1.0\r\nHost: a.test\r\n\r\n'],
  ['another protocol', 'GET / ICY/1.1\r\nHost: a.test\r\n\r\n'],
  ['RTSP', 'OPTIONS * RTSP/1.0\r\nHost: a.test\r\n\r\n'],
  ['a vertical tab in the request line', 'GET\x0b/ HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['a no-break space in the request line', 'GET\xa0/ HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['CR in the target (CVE-2023-25690)', 'GET /a\rX: y HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['a byte order mark before the method', '\xef\xbb\xbfGET / HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['a line of white space before the request', '  \r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['a bare LF before the request', '\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['NUL before the request', '\0GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['a field ended by CR LF CR (CVE-2025-23167)', 'GET / HTTP/1.1\r\nHost: a.test\r\n\rX: y\r\n\r\n'],
  ['CR CR as the end of the head', 'GET / HTTP/1.1\r\nHost: a.test\r\rX: y\r\n\r\n'],
  ['CR LF LF as the end of the head', 'GET / HTTP/1.1\r\nHost: a.test\r\n\nX: y\r\n\r\n'],
  [
    'LF LF in a value, which some skip as white space',
    'GET / HTTP/1.1\r\nHost: a.test\r\nX:\n\nGET /2 HTTP/1.1\r\n\r\n',
  ],
  [
    'a colon alone, which some take for the end (CVE-2023-25725)',
    'GET / HTTP/1.1\r\nHost: a.test\r\n:\r\nX: y\r\n\r\n',
  ],
  ['a name of white space', 'GET / HTTP/1.1\r\nHost: a.test\r\n \t: b\r\n\r\n'],
  ['a name with a space inside', 'GET / HTTP/1.1\r\nHost: a.test\r\nX Y: b\r\n\r\n'],
  ['a name before NUL', 'GET / HTTP/1.1\r\nHost: a.test\r\nX\0: b\r\n\r\n'],
  ['a name before a no-break space', 'GET / HTTP/1.1\r\nHost: a.test\r\nX\xa0: b\r\n\r\n'],
  ['a name in quotes', 'GET / HTTP/1.1\r\nHost: a.test\r\n"X": b\r\n\r\n'],
  ['a name with a slash', 'GET / HTTP/1.1\r\nHost: a.test\r\nX/Y: b\r\n\r\n'],
  ['a name with an at sign', 'GET / HTTP/1.1\r\nHost: a.test\r\nX@Y: b\r\n\r\n'],
  ['a form feed in a value', 'GET / HTTP/1.1\r\nHost: a.test\r\nX: a\x0cb\r\n\r\n'],
  ['an escape character in a value', 'GET / HTTP/1.1\r\nHost: a.test\r\nX: \x1b[2J\r\n\r\n'],
  ['a fold of the last field, before the end', 'GET / HTTP/1.1\r\nHost: a.test\r\n \r\n\r\n'],
  ['a fold after the request line', 'GET / HTTP/1.1\r\n\tX: y\r\nHost: a.test\r\n\r\n'],
  ['UTF-16', 'G\0E\0T\0 \0/\0 \0H\0T\0T\0P\0/\x001\0.\x001\0\r\0\n\0\r\0\n\0\r\n\r\n'],
  ['a TLS record', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'],
];

describe('a request head', () => {
  it.each(REFUSED)('is refused for %s', (_attack, request) => {
    expect(readRequest([request])).toMatchObject({ kind: 'refused' });
    expect(readRequest([...request])).toMatchObject({ kind: 'refused' });
  });

  it('keeps the order, case, duplicates and inner white space of its fields', () => {
    const reading = readRequest([
      'GET /a?b HTTP/1.1\r\nHOST: a.test\r\nx-A:  one  two \t\r\nX-a:\r\nx-A: \xe9\r\n\r\n',
    ]);
    expect(reading).toMatchObject({
      head: {
        method: 'GET',
        target: '/a?b',
        version: '1.1',
        fields: [
          { name: 'HOST', lower: 'host', value: 'a.test' },
          { name: 'x-A', lower: 'x-a', value: 'one  two' },
          { name: 'X-a', lower: 'x-a', value: '' },
          { name: 'x-A', lower: 'x-a', value: '\xe9' },
        ],
      },
    });
  });

  it('is refused past its limit of bytes, before it is complete', () => {
    const endless = `GET / HTTP/1.1\r\nHost: a.test\r\nX: ${'a'.repeat(LIMITS.headBytes)}`;
    expect(readRequest([endless])).toMatchObject({ kind: 'refused', verdict: 'too-large' });
    expect(readRequest([`${endless}\r\n\r\n`])).toMatchObject({ kind: 'refused', verdict: 'too-large' });
  });

  it('is refused past its limit of fields', () => {
    const fields = 'X: y\r\n'.repeat(LIMITS.headFields + 1);
    expect(readRequest([`GET / HTTP/1.1\r\n${fields}\r\n`])).toMatchObject({ kind: 'refused', verdict: 'too-large' });
  });

  it('is read the same however it is split', () => {
    const request = 'GET /a HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\n\r\n';
    const whole = readRequest([request]);
    for (let at = 1; at < request.length; at++) {
      expect(readRequest([request.slice(0, at), request.slice(at)])).toEqual(whole);
    }
  });
});
