import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { field } from '../../src/headers/field-list.ts';
import { bodyReader } from '../../src/http1/body-reader.ts';
import { HeadCutter } from '../../src/http1/head.ts';
import { Inbox } from '../../src/http1/inbox.ts';
import { parseRequestHead } from '../../src/http1/request-head.ts';
import { parseResponseHead } from '../../src/http1/response-head.ts';
import { CHUNK_END, chunkStart, lastChunk, requestHeadText, responseHeadText } from '../../src/http1/write.ts';
import { asWeRead, requestCase } from '../differential/message.ts';
import { asLlhttpReads } from '../differential/peers/llhttp.ts';
import { LIMITS, readRequest, readResponse } from '../support/http1.ts';

const of = (
  characters: string,
  constraints: { readonly minLength?: number; readonly maxLength: number },
): fc.Arbitrary<string> => fc.array(fc.constantFrom(...characters), constraints).map((all) => all.join(''));

const TCHAR = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const VCHAR = Array.from({ length: 94 }, (_, index) => String.fromCharCode(0x21 + index)).join('');
const OBS = Array.from({ length: 128 }, (_, index) => String.fromCharCode(0x80 + index)).join('');

const FRAMING = new Set(['content-length', 'transfer-encoding', 'connection', 'upgrade', 'host', 'expect', 'trailer']);
const name = of(TCHAR, { minLength: 1, maxLength: 12 }).filter((text) => !FRAMING.has(text.toLowerCase()));
const value = of(`${VCHAR}${OBS} \t`, { maxLength: 20 }).map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ''));
const fields = fc.array(
  fc.tuple(name, value).map(([each, text]) => field(each, text)),
  { maxLength: 8 },
);
const target = of(VCHAR.replace('#', ''), { maxLength: 20 }).map((text) => `/${text}`);
const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS');
const body = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 });

/** The text cut at random places. */
const cut = (text: string, places: readonly number[]): readonly string[] => {
  const sorted = [...new Set(places.map((place) => Math.floor(place * text.length)))].sort((one, other) => one - other);
  return [0, ...sorted].map((from, index) => text.slice(from, sorted[index] ?? text.length));
};
const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), { maxLength: 12 });

const chunked = (pieces: readonly Uint8Array[], trailers: Parameters<typeof lastChunk>[0]): string =>
  pieces.map((piece) => chunkStart(piece.length) + Buffer.from(piece).toString('latin1') + CHUNK_END).join('') +
  lastChunk(trailers);

describe('what we write', () => {
  it('is read back as the same request, however it is cut', () => {
    fc.assert(
      fc.property(method, target, fields, body, fields, places, (verb, resource, list, pieces, trailers, at) => {
        const text =
          requestHeadText(verb, resource, list, 'Transfer-Encoding: chunked\r\n') + chunked(pieces, trailers);
        const reading = readRequest(cut(`${text}GET /next`, at));
        expect(reading).toMatchObject({
          head: {
            method: verb,
            target: resource,
            version: '1.1',
            fields: [...list, field('Transfer-Encoding', 'chunked')],
          },
          body: Buffer.concat(pieces).toString('latin1'),
          trailers,
          rest: 'GET /next',
        });
      }),
    );
  });

  it('is read back as the same response, however it is cut', () => {
    const status = fc.integer({ min: 200, max: 999 }).filter((code) => code !== 204 && code !== 304);
    fc.assert(
      fc.property(status, value, fields, body, places, (code, reason, list, pieces, at) => {
        const bytes = Buffer.concat(pieces).toString('latin1');
        const text = responseHeadText(code, reason, list, `Content-Length: ${bytes.length}\r\n`) + bytes;
        expect(readResponse(cut(text, at))).toMatchObject({
          head: { status: code, reason, fields: [...list, field('Content-Length', String(bytes.length))] },
          body: bytes,
        });
      }),
    );
  });
});

/** Text that is nearly a message: pieces of messages in a random order. */
const nearly = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'GET ',
        'POST ',
        '/',
        ' HTTP/1.1',
        ' HTTP/1.0',
        '\r\n',
        '\r\n',
        '\n',
        '\r',
        'Host: a',
        ': ',
        ':',
        ' ',
        '\t',
        'Content-Length: ',
        'Transfer-Encoding: chunked',
        '0',
        '5',
        '\r\n\r\n',
        '\0',
        'HTTP/1.1 200 OK',
        ';x=y',
        '\xff',
      ),
      of(`${VCHAR}\r\n\t \0\x7f`, { maxLength: 4 }),
    ),
    { maxLength: 24 },
  )
  .map((pieces) => pieces.join(''));
const noise = fc.oneof(
  nearly,
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
);

describe('any bytes', () => {
  it('are a message, incomplete or refused, and never an exception; cutting them makes no difference', () => {
    fc.assert(
      fc.property(noise, places, (text, at) => {
        const whole = readRequest([text]);
        const pieces = readRequest(cut(text, at));
        // What is refused in one piece may be refused for a later reason than in many; it is refused in both.
        const kind = (reading: typeof whole): string =>
          reading === 'incomplete' ? reading : 'kind' in reading ? 'refused' : 'message';
        if (kind(whole) === 'message') expect(pieces).toEqual(whole);
        else expect(kind(pieces)).toBe(kind(whole));
        readResponse(cut(text, at));
        readResponse([text], 'HEAD');
      }),
      { numRuns: 1_000 },
    );
  });

  it('never make a reader give more than came, or wait with all of it in hand', () => {
    fc.assert(
      fc.property(noise, (text) => {
        const reader = bodyReader({ kind: 'chunked' }, LIMITS);
        const inbox = new Inbox();
        inbox.push(Buffer.from(text, 'latin1'));
        let given = 0;
        for (let event = reader.read(inbox); Buffer.isBuffer(event); event = reader.read(inbox)) given += event.length;
        expect(given + inbox.length).toBeLessThanOrEqual(text.length);
      }),
    );
  });

  it('are heads only within the limits', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 * LIMITS.headBytes }), (length) => {
        const inbox = new Inbox();
        inbox.push(Buffer.from(`GET / HTTP/1.1\r\nX: ${'a'.repeat(length)}\r\n\r\n`));
        const size = inbox.length;
        const head = new HeadCutter(LIMITS).cut(inbox);
        expect(typeof head === 'string').toBe(size <= LIMITS.headBytes);
      }),
    );
    expect(parseRequestHead('', 10)).toMatchObject({ kind: 'refused' });
    expect(parseResponseHead('', 10)).toMatchObject({ kind: 'refused' });
  });
});

describe('a request that we accept', () => {
  const line = fc.oneof(
    fc.tuple(name, value).map(([each, text]) => `${each}: ${text}`),
    fc
      .tuple(name, fc.constantFrom('', ' ', '\t', '  '), value, fc.constantFrom('', ' ', '\t '))
      .map((parts) => `${parts[0]}:${parts.slice(1).join('')}`),
    fc.constantFrom(
      'Content-Length: 3',
      'content-length:3',
      'Content-Length: 03',
      'Transfer-Encoding: chunked',
      'Transfer-Encoding: CHUNKED',
      'Transfer-Encoding: gzip',
      'Transfer-Encoding : chunked',
      ' folded',
      'X : y',
      'Content-Length: 3, 3',
      'Content-Length: +3',
      'Connection: close',
      'Connection: keep-alive',
    ),
  );
  const request = fc
    .tuple(
      method,
      target,
      fc.constantFrom('1.1', '1.0', '1.1', '1.1'),
      fc.array(line, { maxLength: 5 }),
      fc.constantFrom(
        '',
        'abc',
        '3\r\nabc\r\n0\r\n\r\n',
        '3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n',
        '0\r\n\r\n',
        '03\r\nabc\r\n000\r\n\r\n',
        'abcGET /next HTTP/1.1\r\nHost: a\r\n\r\n',
      ),
      fc.constantFrom('\r\n', '\r\n', '\r\n', '\n'),
    )
    .map(
      ([verb, resource, version, lines, rest, end]) =>
        [`${verb} ${resource} HTTP/${version}`, 'Host: a.test', ...lines, '', ''].join(end) + rest,
    );

  it("is read the same by Node's llhttp: method, target, every field, and where the body ends", () => {
    let compared = 0;
    fc.assert(
      fc.property(request, (text) => {
        const ours = asWeRead(requestCase('generated', text));
        if (ours.kind !== 'message') return;
        compared++;
        expect(asLlhttpReads({ bytes: text, answerTo: null })).toEqual(ours);
      }),
      { numRuns: 2_000 },
    );
    expect(compared).toBeGreaterThan(200);
  });
});
