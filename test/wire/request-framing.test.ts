import { describe, expect, it } from 'vitest';
import { readRequest } from '../support/http1.ts';

const head = (...lines: string[]): string => ['POST / HTTP/1.1', 'Host: a.test', ...lines, '', ''].join('\r\n');

/** Requests whose length two readers could disagree on, each named for what the attacker tries and for who once took it. */
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
  ['a Content-Length with a thousands separator of Python', `${head('Content-Length: 1_0')}0123456789`],
  ['a Content-Length with an exponent', `${head('Content-Length: 1e1')}0123456789`],
  ['a Content-Length with a semicolon', `${head('Content-Length: 4;')}abcd`],
  ['a Content-Length that ends in a comma', `${head('Content-Length: 4,')}abcd`],
  ['a Content-Length in quotes', `${head('Content-Length: "4"')}abcd`],
  ['a Content-Length of full-width digits', `${head('Content-Length: \xef\xbc\x94')}abcd`],
  ['a Content-Length before a no-break space', `${head('Content-Length: 4\xa0')}abcd`],
  ['a Content-Length that wraps around at 2^64', `${head('Content-Length: 18446744073709551620')}abcd`],
  ['an empty Content-Length before a real one (CVE-2023-40225)', `${head('Content-Length:', 'Content-Length: 4')}abcd`],
  ['a second Content-Length in another case (CVE-2026-1525)', `${head('Content-Length: 4', 'content-length: 0')}abcd`],
  ['Content-Length before a space (CVE-2022-24766)', `${head('Content-Length : 4')}abcd`],
  ['Content-Length before a vertical tab (CVE-2022-28129)', `${head('Content-Length\x0b: 4')}abcd`],
  ['Content-Length before a next-line character', `${head('Content-Length\x85: 4')}abcd`],
  ['Content-Length behind a space, as a fold (CVE-2024-27982)', `${head('X: y', ' Content-Length: 4')}abcd`],
  [
    'Content-Length behind a name of 270 bytes',
    `${head(`Content-Length0${'a'.repeat(255)}:`, 'Content-Length: +4')}abcd`,
  ],
  ['Transfer-Encoding behind a bare CR (CVE-2023-30589)', `${head('X: y\rTransfer-Encoding: chunked')}0\r\n\r\n`],
  ['Transfer-Encoding after a bare CR (CVE-2022-1705)', `${head('Transfer-Encoding: \rchunked')}0\r\n\r\n`],
  ['Transfer-Encoding before a space (CVE-2021-22959)', `${head('Transfer-Encoding : chunked')}0\r\n\r\n`],
  ['Transfer-Encoding behind a space', `${head('X: y', ' Transfer-Encoding: chunked')}0\r\n\r\n`],
  ['Transfer-Encoding with its value on the next line', `${head('Transfer-Encoding:', ' chunked')}0\r\n\r\n`],
  ['an empty element before chunked (CVE-2024-6827)', `${head('Transfer-Encoding: ,chunked')}0\r\n\r\n`],
  ['an empty element after chunked', `${head('Transfer-Encoding: chunked,')}0\r\n\r\n`],
  ['two codings of chunked in a list', `${head('Transfer-Encoding: chunked, chunked')}0\r\n\r\n`],
  ['chunked with a parameter', `${head('Transfer-Encoding: chunked;q=1')}0\r\n\r\n`],
  ['chunked behind a no-break space', `${head('Transfer-Encoding: \xa0chunked')}0\r\n\r\n`],
  ['chunked before a form feed', `${head('Transfer-Encoding: chunked\x0c')}0\r\n\r\n`],
  ['chunked before NUL', `${head('Transfer-Encoding: chunked\0')}0\r\n\r\n`],
  ['chunked with a letter that folds to k', `${head('Transfer-Encoding: chun\xe2\x84\xaaed')}0\r\n\r\n`],
  ['chunked in two words', `${head('Transfer-Encoding: chun ked')}0\r\n\r\n`],
  ['identity (CVE-2024-1135)', `${head('Transfer-Encoding: identity')}abcd`],
  ['identity with a length', `${head('Transfer-Encoding: identity', 'Content-Length: 4')}abcd`],
  ['an empty Transfer-Encoding with a length', `${head('Transfer-Encoding:', 'Content-Length: 4')}abcd`],
  [
    'a Content-Length that is none beside chunked',
    `${head('Content-Length: x', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
  ],
  ['both in HTTP/1.0', 'POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
];

describe('request framing', () => {
  it.each(REFUSED)('refuses %s, whole or a byte at a time', (_attack, request) => {
    expect(readRequest([request])).toMatchObject({ kind: 'refused' });
    expect(readRequest([...request])).toMatchObject({ kind: 'refused' });
  });

  it('takes a declared length and leaves what follows', () => {
    expect(readRequest([`${head('Content-Length: 4')}abcdGET /`])).toMatchObject({ body: 'abcd', rest: 'GET /' });
  });

  it('takes a length beyond 2^32 or 2^63 as it is, and not what is left of it in fewer bits', () => {
    expect(readRequest([`${head('Content-Length: 4294967300')}abcdGET /`])).toBe('incomplete');
    expect(readRequest([`${head('Content-Length: 9223372036854775812')}abcdGET /`])).toMatchObject({ kind: 'refused' });
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
  });
});
