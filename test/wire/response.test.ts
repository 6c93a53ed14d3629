import { describe, expect, it } from 'vitest';
import { readResponse } from '../support/http1.ts';

const REFUSED: readonly (readonly [attack: string, response: string])[] = [
  [
    'Content-Length and Transfer-Encoding together',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['two Content-Length fields', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc'],
  ['a list in Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: 3,3\r\n\r\nabc'],
  ['an unknown transfer coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc'],
  ['Transfer-Encoding in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a chunk that is no chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['a status below 100', 'HTTP/1.1 099 OK\r\n\r\n'],
  ['another protocol', 'ICY 200 OK\r\n\r\n'],
  ['HTTP/2', 'HTTP/2 200\r\n\r\n'],
  ['two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n'],
  ['a bare CR in the reason', 'HTTP/1.1 200 O\rK\r\n\r\n'],
  ['a bare LF after the status line', 'HTTP/1.1 200 OK\nX: y\r\n\r\n'],
  ['NUL in a field', 'HTTP/1.1 200 OK\r\nX: \0\r\n\r\n'],
  ['a folded field', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n'],
  ['a space before a colon', 'HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nabc'],
];

describe('a response', () => {
  it.each(REFUSED)('is refused for %s', (_attack, response) => {
    expect(readResponse([response])).toMatchObject({ kind: 'refused' });
    expect(readResponse([...response])).toMatchObject({ kind: 'refused' });
  });

  it('without a declared length ends with the connection', () => {
    expect(readResponse(['HTTP/1.1 200 OK\r\n\r\nabc', 'def'])).toMatchObject({
      framing: { kind: 'close' },
      body: 'abcdef',
    });
  });

  it.each([
    ['to HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'HEAD'],
    ['to HEAD, chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'HEAD'],
    ['with status 204', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n', 'GET'],
    ['with status 304', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', 'GET'],
  ])('%s has no body, whatever it declares', (_name, response, method) => {
    expect(readResponse([response], method)).toMatchObject({ framing: { kind: 'none' }, body: '' });
  });

  it('may lack its reason phrase, and the space before it', () => {
    expect(readResponse(['HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n'])).toMatchObject({
      head: { status: 200, reason: '' },
    });
    expect(readResponse(['HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n'])).toMatchObject({
      head: { status: 200, reason: '' },
    });
  });

  it('keeps its reason phrase as it came', () => {
    expect(readResponse(['HTTP/1.1 299 Tr\xe8s  bien\r\n\r\n'])).toMatchObject({
      head: { status: 299, reason: 'Tr\xe8s  bien' },
    });
  });
});
