import type { FieldList } from '../../src/headers/field-list.ts';
import { bodyReader } from '../../src/http1/body-reader.ts';
import { Inbox } from '../../src/http1/inbox.ts';
import { CHUNK_END, chunkStart, lastChunk } from '../../src/http1/write.ts';
import { REQUESTS } from '../../test/differential/request-cases.ts';
import { checkSplit } from '../checks/heads.ts';
import { holds, same, type Target } from '../target.ts';

const LIMITS = { headBytes: 1_024, headFields: 20 };

interface Body {
  readonly kind: 'body';
  readonly bytes: string;
  readonly trailers: FieldList;
}

function read(pieces: readonly Buffer[]): {
  readonly reading: Body | { kind: 'refused' } | null;
  readonly left: number;
} {
  const inbox = new Inbox();
  const reader = bodyReader({ kind: 'chunked' }, LIMITS);
  let bytes = '';
  let reading: Body | { kind: 'refused' } | null = null;
  for (const piece of pieces) {
    inbox.push(piece);
    while (reading === null) {
      const event = reader.read(inbox);
      if (event === 'more') break;
      if (Buffer.isBuffer(event)) bytes += event.toString('latin1');
      else if (event.kind === 'end') reading = { kind: 'body', bytes, trailers: event.trailers };
      else reading = { kind: 'refused' };
    }
  }
  return { reading, left: inbox.length };
}

const CHUNK = /^([0-9A-Fa-f]{1,13})(?:[ \t]*;[\t -~\x80-\xff]*)?\r\n/;
const TRAILERS = /^(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n)*\r\n/;

/** RFC 9112 section 7.1 once more, on text that is all there: the body and where it ends; null for what is none. */
function reference(input: string): { readonly bytes: string; readonly end: number } | null {
  let bytes = '';
  for (let at = 0; ; ) {
    const line = CHUNK.exec(input.slice(at));
    if (line === null) return null;
    at += line[0].length;
    const size = Number.parseInt(line[1] ?? '', 16);
    if (size === 0) {
      const trailers = TRAILERS.exec(input.slice(at));
      return trailers === null ? null : { bytes, end: at + trailers[0].length };
    }
    bytes += input.slice(at, at + size);
    if (input.slice(at + size, at + size + 2) !== '\r\n') return null;
    at += size + 2;
  }
}

const bodyOf = (request: string): string => request.slice(request.indexOf('\r\n\r\n') + 4);

/** A chunked body: the same bytes, trailers and end as a second decoder finds, however it is cut. */
export const target: Target = {
  name: 'chunked-body',
  seeds: REQUESTS.filter(({ bytes }) => /chunked/i.test(bytes)).map(({ bytes }) =>
    Buffer.from(bodyOf(bytes), 'latin1'),
  ),
  dictionary: [
    '\r\n',
    '\n',
    '\r',
    '0\r\n\r\n',
    '0\r\n',
    '1\r\na\r\n',
    ';',
    ' ;',
    ';a="b"',
    'X: y\r\n',
    'fffffffffffff',
    '0000',
    '\xff',
    '"',
  ],
  bytesMax: 1_000,
  check(input) {
    const whole = read([input]);
    checkSplit(input, (pieces) => read(pieces), whole);
    const expected = reference(input.toString('latin1'));
    if (whole.reading?.kind !== 'body') {
      if (whole.reading === null) holds('what waits is not complete', expected === null);
      // Limits are all that may refuse what the second decoder takes.
      else holds('what is refused is no body, or too large', expected === null || expected.end > 512);
      return;
    }
    const { bytes, trailers } = whole.reading;
    same('both decoders agree', { bytes, end: input.length - whole.left }, expected);
    const written = (bytes === '' ? '' : chunkStart(bytes.length) + bytes + CHUNK_END) + lastChunk(trailers);
    same('what we write is what we read', read([Buffer.from(written, 'latin1')]), { reading: whole.reading, left: 0 });
  },
};
