import { describe, expect, it } from 'vitest';
import { LIMITS, readRequest } from '../support/http1.ts';

const HEAD = 'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n';
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n';

/** Chunked bodies that two readers could end at different places, each named for what the attacker tries and for who once took it. */
const REFUSED: readonly (readonly [attack: string, body: string])[] = [
  ['a chunk size with 0x (CVE-2023-38697)', '0x4\r\nabcd\r\n0\r\n\r\n'],
  ['a chunk size with a plus (CVE-2023-38697)', '+4\r\nabcd\r\n0\r\n\r\n'],
  ['a negative chunk size', '-1\r\nabcd\r\n0\r\n\r\n'],
  ['a last chunk of minus zero', '-0\r\n\r\n'],
  ['a chunk size with a space before it', ' 4\r\nabcd\r\n0\r\n\r\n'],
  ['a chunk size with a space after it', '4 \r\nabcd\r\n0\r\n\r\n'],
  ['a chunk size with a tab after it', '4\t\r\nabcd\r\n0\r\n\r\n'],
  ['a chunk size in two words', '4 4\r\nabcd\r\n0\r\n\r\n'],
  ['a chunk size with an underscore', '1_0\r\nabcd\r\n0\r\n\r\n'],
  ['a chunk size with a letter that is no digit', '4g\r\nabcd\r\n0\r\n\r\n'],
  ['a chunk size with a fraction', '4.0\r\nabcd\r\n0\r\n\r\n'],
  ['a chunk size with a comma', '4,4\r\nabcd\r\n0\r\n\r\n'],
  ['a chunk size with NUL', '4\0\r\nabcd\r\n0\r\n\r\n'],
  ['a chunk size before a vertical tab', '4\x0b\r\nabcd\r\n0\r\n\r\n'],
  ['a chunk size of full-width digits', '\xef\xbc\x94\r\nabcd\r\n0\r\n\r\n'],
  ['a chunk size that overflows 64 bits', '10000000000000004\r\nabcd\r\n0\r\n\r\n'],
  ['a chunk size that overflows 53 bits', '20000000000004\r\nabcd\r\n0\r\n\r\n'],
  ['a chunk size of a thousand zeros', `${'0'.repeat(1_000)}4\r\nabcd\r\n0\r\n\r\n`],
  ['an empty chunk size', '\r\nabcd\r\n0\r\n\r\n'],
  ['an empty chunk size with an extension', ';a=b\r\nabcd\r\n0\r\n\r\n'],
  ['an empty line between two chunks', '4\r\nabcd\r\n\r\n4\r\nabcd\r\n0\r\n\r\n'],
  ['a chunk size ended by LF alone (CVE-2025-22871)', '4\nabcd\r\n0\r\n\r\n'],
  ['a chunk size ended by CR alone', '4\rabcd\r\n0\r\n\r\n'],
  ['a chunk size ended by CR CR LF', '4\r\r\nabcd\r\n0\r\n\r\n'],
  ['a chunk size ended by LF CR', '4\n\rabcd\r\n0\r\n\r\n'],
  ['a chunk extension ended by LF alone (CVE-2025-55315)', `4;a\nabcd\r\n0\r\n\r\n${SMUGGLED}`],
  ['a chunk extension with LF inside (CVE-2025-58056)', `4;a\nb\r\nabcd\r\n0\r\n\r\n${SMUGGLED}`],
  ['a chunk extension with a bare CR (CVE-2024-52304)', '4;a\rb\r\nabcd\r\n0\r\n\r\n'],
  ['a bare CR before a chunk extension', '2\r\r;a\r\n02\r\n38\r\n0\r\n\r\n'],
  ['a chunk extension with NUL', '4;a\0\r\nabcd\r\n0\r\n\r\n'],
  ['an extension of the last chunk with LF inside (CVE-2024-53868)', `0;a\n\r\n\r\n${SMUGGLED}`],
  ['a chunk extension without end (CVE-2024-22019)', `4;${'a'.repeat(2_000)}`],
  ['chunk data longer than its size', '4\r\nabcdX\r\n0\r\n\r\n'],
  ['chunk data followed by any two bytes (CVE-2025-43859)', '4\r\nabcdXX0\r\n\r\n'],
  ['chunk data shorter than its size', `8\r\nabcd\r\n0\r\n\r\n${SMUGGLED}`],
  ['chunk data ended by LF alone', '4\r\nabcd\n0\r\n\r\n'],
  ['chunk data ended by CR alone', '4\r\nabcd\r0\r\n\r\n'],
  ['chunk data ended by CR CR LF', '4\r\nabcd\r\r\n0\r\n\r\n'],
  ['a length where a chunk should be', `Content-Length: 0\r\n\r\n${SMUGGLED}`],
  ['a trailer section ended by LF alone', '0\r\n\n'],
  ['a trailer section ended by LF LF', '0\r\nA: b\n\n'],
  ['a trailer ended by LF alone', '0\r\nA: b\nC: d\r\n\r\n'],
  ['a trailer ended by CR alone', '0\r\nA: b\rC: d\r\n\r\n'],
  ['a trailer that is folded', '0\r\nA: b\r\n c\r\n\r\n'],
  ['a trailer with a space before its colon', '0\r\nContent-Length : 4\r\n\r\n'],
  ['a trailer without a name', '0\r\n: b\r\n\r\n'],
  ['a trailer without a colon, which is a request (CVE-2025-59822)', '0\r\nGET / HTTP/1.1\r\n\r\n'],
  ['a trailer with NUL', '0\r\nA: b\0\r\n\r\n'],
  ['more trailers than fields are allowed', `0\r\n${'A: b\r\n'.repeat(LIMITS.headFields + 1)}\r\n`],
  ['trailers of more bytes than a head may have', `0\r\nA: ${'b'.repeat(LIMITS.headBytes)}\r\n\r\n`],
];

describe('a chunked request', () => {
  it.each(REFUSED)('is refused for %s, whole or a byte at a time', (_attack, body) => {
    expect(readRequest([HEAD + body])).toMatchObject({ kind: 'refused' });
    expect(readRequest([...(HEAD + body)])).toMatchObject({ kind: 'refused' });
  });

  it('is read in any case, with extensions and trailers, and leaves what follows', () => {
    const head = HEAD.replace('chunked', 'Chunked');
    const request = `${head}4;x="y"\r\nabcd\r\nA\r\n0123456789\r\n000\r\nX-Sum: 1\r\n\r\nGET /`;
    expect(readRequest([request])).toMatchObject({
      body: 'abcd0123456789',
      trailers: [{ name: 'X-Sum', lower: 'x-sum', value: '1' }],
      rest: 'GET /',
    });
    expect(readRequest([...request])).toMatchObject({ body: 'abcd0123456789', rest: 'GET /' });
  });

  it('takes a chunk beyond 2^32 as large as it says, and not what is left of it in 32 bits', () => {
    expect(readRequest([`${HEAD}100000004\r\nabcd\r\n0\r\n\r\n${SMUGGLED}`])).toBe('incomplete');
  });

  it('waits for the rest of a body that is not complete', () => {
    expect(readRequest([`${HEAD}4\r\nabcd\r\n`])).toBe('incomplete');
  });

  it('of a hundred thousand one-byte chunks is read without recursion (CVE-2024-25111)', () => {
    expect(readRequest([`${HEAD}${'1\r\na\r\n'.repeat(100_000)}0\r\n\r\n`])).toMatchObject({ rest: '' });
  });

  it('has trailers that change nothing in how it was framed', () => {
    const reading = readRequest([
      `${HEAD}4\r\nabcd\r\n0\r\nContent-Length: 99\r\nTransfer-Encoding: x\r\n\r\n${SMUGGLED}`,
    ]);
    expect(reading).toMatchObject({ framing: { kind: 'chunked' }, body: 'abcd', rest: SMUGGLED });
  });
});
