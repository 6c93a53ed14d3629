import { describe, expect, it } from 'vitest';
import { readRequest } from '../support/http1.ts';

const head = (...lines: string[]): string => ['POST / HTTP/1.1', 'Host: a.test', ...lines, '', ''].join('\r\n');

/** Requests whose length two readers could disagree on, each named for what the attacker tries. */
const REFUSED: readonly (readonly [attack: string, request: string])[] = [
  [
    'Content-Length and Transfer-Encoding together (CL.TE)',
    `${head('Content-Length: 4', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
  ],
  [
    'Transfer-Encoding and Content-Length together (TE.CL)',
    `${head('Transfer-Encoding: chunked', 'Content-Length: 4')}0\r\n\r\n`,
  ],
  ['two Content-Length fields that differ', `${head('Content-Length: 4', 'Content-Length: 5')}abcde`],
  ['two Content-Length fields that agree', `${head('Content-Length: 4', 'Content-Length: 4')}abcd`],
  ['a list in Content-Length', `${head('Content-Length: 4, 4')}abcd`],
  ['a sign in Content-Length', `${head('Content-Length: +4')}abcd`],
  ['a negative Content-Length', `${head('Content-Length: -1')}`],
  ['a hexadecimal Content-Length', `${head('Content-Length: 0x4')}abcd`],
  ['a Content-Length with a fraction', `${head('Content-Length: 4.0')}abcd`],
  ['a Content-Length with a space inside', `${head('Content-Length: 1 2')}abcd`],
  ['an empty Content-Length', `${head('Content-Length:')}`],
  ['a Content-Length beyond 2^53', `${head('Content-Length: 9007199254740993')}`],
  ['Transfer-Encoding twice (TE.TE)', `${head('Transfer-Encoding: chunked', 'Transfer-Encoding: identity')}0\r\n\r\n`],
  ['Transfer-Encoding: chunked twice', `${head('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}0\r\n\r\n`],
  ['a coding that only looks like chunked', `${head('Transfer-Encoding: xchunked')}0\r\n\r\n`],
  ['a coding before chunked', `${head('Transfer-Encoding: gzip, chunked')}0\r\n\r\n`],
  ['chunked that is not the last coding', `${head('Transfer-Encoding: chunked, identity')}0\r\n\r\n`],
  ['chunked in quotes', `${head('Transfer-Encoding: "chunked"')}0\r\n\r\n`],
  ['chunked with a vertical tab before it', `${head('Transfer-Encoding: \x0bchunked')}0\r\n\r\n`],
  ['an empty Transfer-Encoding', `${head('Transfer-Encoding:')}0\r\n\r\n`],
  ['Transfer-Encoding in HTTP/1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a chunk size with 0x', `${head('Transfer-Encoding: chunked')}0x4\r\nabcd\r\n0\r\n\r\n`],
  ['a chunk size with a sign', `${head('Transfer-Encoding: chunked')}+4\r\nabcd\r\n0\r\n\r\n`],
  ['a chunk size with a space before it', `${head('Transfer-Encoding: chunked')} 4\r\nabcd\r\n0\r\n\r\n`],
  ['a chunk size with an underscore', `${head('Transfer-Encoding: chunked')}1_0\r\nabcd\r\n0\r\n\r\n`],
  [
    'a chunk size that overflows 64 bits',
    `${head('Transfer-Encoding: chunked')}10000000000000004\r\nabcd\r\n0\r\n\r\n`,
  ],
  ['an empty chunk size', `${head('Transfer-Encoding: chunked')}\r\nabcd\r\n0\r\n\r\n`],
  ['a chunk size ended by LF alone', `${head('Transfer-Encoding: chunked')}4\nabcd\r\n0\r\n\r\n`],
  ['a chunk size ended by CR alone', `${head('Transfer-Encoding: chunked')}4\rabcd\r\n0\r\n\r\n`],
  ['a chunk extension with a bare CR', `${head('Transfer-Encoding: chunked')}4;a\rb\r\nabcd\r\n0\r\n\r\n`],
  ['chunk data longer than its size', `${head('Transfer-Encoding: chunked')}4\r\nabcdX\r\n0\r\n\r\n`],
  ['chunk data ended by LF alone', `${head('Transfer-Encoding: chunked')}4\r\nabcd\n0\r\n\r\n`],
  ['a chunk size line without end', `${head('Transfer-Encoding: chunked')}4;${'a'.repeat(2_000)}`],
  ['a trailer section ended by LF alone', `${head('Transfer-Encoding: chunked')}0\r\n\n`],
  ['a trailer that is folded', `${head('Transfer-Encoding: chunked')}0\r\nA: b\r\n c\r\n\r\n`],
  ['a trailer without a colon', `${head('Transfer-Encoding: chunked')}0\r\nGET / HTTP/1.1\r\n\r\n`],
];

describe('request framing', () => {
  it.each(REFUSED)('refuses %s', (_attack, request) => {
    expect(readRequest([request])).toMatchObject({ kind: 'refused' });
  });

  it.each(REFUSED)('refuses %s, however it is split', (_attack, request) => {
    expect(readRequest([...request])).toMatchObject({ kind: 'refused' });
  });

  it('takes a declared length and leaves what follows', () => {
    expect(readRequest([`${head('Content-Length: 4')}abcdGET /`])).toMatchObject({ body: 'abcd', rest: 'GET /' });
  });

  it('takes chunks in any case, with extensions and trailers, and leaves what follows', () => {
    const request = `${head('Transfer-Encoding: Chunked')}4;x="y"\r\nabcd\r\nA\r\n0123456789\r\n000\r\nX-Sum: 1\r\n\r\nGET /`;
    expect(readRequest([request])).toMatchObject({
      body: 'abcd0123456789',
      trailers: [{ name: 'X-Sum', lower: 'x-sum', value: '1' }],
      rest: 'GET /',
    });
    expect(readRequest([...request])).toMatchObject({ body: 'abcd0123456789', rest: 'GET /' });
  });

  it('takes no body where none is declared, so that what follows is the next request', () => {
    expect(readRequest(['GET / HTTP/1.1\r\nHost: a.test\r\n\r\nGET /2'])).toMatchObject({
      framing: { kind: 'none' },
      body: '',
      rest: 'GET /2',
    });
  });

  it('waits for the rest of a body that is not complete', () => {
    expect(readRequest([`${head('Content-Length: 5')}abcd`])).toBe('incomplete');
    expect(readRequest([`${head('Transfer-Encoding: chunked')}4\r\nabcd\r\n`])).toBe('incomplete');
  });
});
