import { describe, expect, it } from 'vitest';
import { readResponse } from '../support/http1.ts';

const REFUSED: readonly (readonly [attack: string, response: string])[] = [
  [
    'Content-Length and Transfer-Encoding together',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['two Content-Length fields', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc'],
  ['a list in Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: 3,3\r\n\r\nabc'],
  ['two Content-Length fields that differ', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 99\r\n\r\nabc'],
  ['Content-Length twice in different case', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\ncontent-length: 9\r\n\r\nabc'],
  ['an empty Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nabc'],
  ['a signed Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc'],
  ['a negative Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc'],
  ['a hexadecimal Content-Length', 'HTTP/1.1 200 OK\r\nContent-Length: 0x3\r\n\r\nabc'],
  ['a Content-Length beyond 2^64', 'HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551619\r\n\r\nabc'],
  ['both on a status without a body', 'HTTP/1.1 204 No\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n'],
  [
    'Transfer-Encoding twice',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['a coding after chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n'],
  ['an empty element before chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n'],
  ['identity', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nabc'],
  ['an unknown transfer coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc'],
  ['Transfer-Encoding in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a chunk that is no chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'],
  ['a chunk size ended by LF alone', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n'],
  ['a chunk size with 0x', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n'],
  ['a chunk longer than its size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\n'],
  ['a chunk followed by any two bytes', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n'],
  ['a chunk extension without end', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;${'a'.repeat(2_000)}`],
  ['a trailer that is folded', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n'],
  ['a trailer that is a response', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHTTP/1.1 200 OK\r\n\r\n'],
  ['a signed status', 'HTTP/1.1 +20 OK\r\n\r\n'],
  ['a status that is no number', 'HTTP/1.1 2e2 OK\r\n\r\n'],
  ['a status of zeros', 'HTTP/1.1 000 OK\r\n\r\n'],
  ['no status', 'HTTP/1.1 \r\n\r\n'],
  ['a reason that touches the status', 'HTTP/1.1 200OK\r\n\r\n'],
  ['a tab before the status', 'HTTP/1.1\t200 OK\r\n\r\n'],
  ['an answer of HTTP/0.9', '<html>hello</html>\r\n\r\n'],
  ['HTTP/1.2', 'HTTP/1.2 200 OK\r\n\r\n'],
  ['an empty line before the status line', '\r\nHTTP/1.1 200 OK\r\n\r\n'],
  ['NUL in the reason', 'HTTP/1.1 200 O\0K\r\n\r\n'],
  ['CR CR LF as a line end', 'HTTP/1.1 200 OK\r\r\nX: y\r\n\r\n'],
  ['a field ended by CR LF CR', 'HTTP/1.1 200 OK\r\nA: b\r\n\rX: y\r\n\r\n'],
  ['a bare CR before another field', 'HTTP/1.1 200 OK\r\nA: b\rContent-Length: 3\r\n\r\nabc'],
  ['a field without a name', 'HTTP/1.1 200 OK\r\n: y\r\n\r\n'],
  ['a field without a colon', 'HTTP/1.1 200 OK\r\nnonsense\r\n\r\n'],
  ['a name in 8-bit characters', 'HTTP/1.1 200 OK\r\nX\xe9: y\r\n\r\n'],
  ['a fold after the status line', 'HTTP/1.1 200 OK\r\n Content-Length: 3\r\n\r\nabc'],
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
