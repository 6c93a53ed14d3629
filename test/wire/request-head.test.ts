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
