import { continuation, data, headers } from '../support/h2-frames.ts';
import { block, type Field, huffman, indexed, integer, literal } from '../support/h2-hpack.ts';
import { requestFields } from '../support/h2-ways.ts';

/**
 * What RFC 9113 section 8 calls malformed, or this proxy refuses. `stream`: the frames of stream 1, `seen`: how it may end; a stream that is answered
 * with `200` is one that reached the origin.
 */
export interface Malformed {
  readonly name: string;
  readonly frames: (authority: string) => readonly Buffer[];
  readonly ends: RegExp;
  /** It may also be answered if this field of it is left out, which is what nghttp2 does with fields that it cannot read. */
  readonly mayDrop?: string;
  /** It is a stream whose head is fine: the origin may see that, and then that the stream breaks off. */
  readonly begins?: true;
}

/** A stream error of PROTOCOL_ERROR or a connection error: RFC 9113 section 8.1.1 lets a server take either, or answer 400. */
const REFUSED = /^(400( \w+)?|reset PROTOCOL_ERROR|goaway PROTOCOL_ERROR)$/;
const COMPRESSION = /^goaway COMPRESSION_ERROR$/;

type Edit = (fields: readonly Field[], authority: string) => readonly Field[];

/** A GET without a body, of which one thing is changed. */
const get = (name: string, edit: Edit, ends: RegExp = REFUSED): Malformed => ({
  name,
  ends,
  frames: (authority) => [headers(1, block(edit(requestFields(authority), authority)), { end: true })],
});

/** A GET with a field that no message may have. */
const field = (name: string, bad: Field): Malformed => ({ ...get(name, add(bad)), mayDrop: bad[0] });

/** A POST with more frames after its head. */
const post = (name: string, more: readonly Field[], after: readonly Buffer[], ends: RegExp = REFUSED): Malformed => ({
  name,
  ends,
  begins: true,
  frames: (authority) => [headers(1, block([...requestFields(authority, {}, { method: 'POST' }), ...more])), ...after],
});

const set =
  (name: string, value: string): Edit =>
  (fields) =>
    fields.map((field) => (field[0] === name ? [name, value] : field));
const drop =
  (name: string): Edit =>
  (fields) =>
    fields.filter((field) => field[0] !== name);
const add =
  (...more: readonly Field[]): Edit =>
  (fields) => [...fields, ...more];

export const MALFORMED: readonly Malformed[] = [
  // Section 8.3: pseudo-fields.
  get('two :authority', (fields, authority) => [...fields, [':authority', authority]]),
  get('two :authority, of which one is another host', (fields) => [...fields, [':authority', 'evil.test']]),
  get('two :method', add([':method', 'POST'])),
  get('two :path', add([':path', '/other'])),
  get('two :scheme', add([':scheme', 'https'])),
  get('no :method', drop(':method')),
  get('no :path', drop(':path')),
  get('no :scheme', drop(':scheme')),
  get('neither :authority nor host', drop(':authority')),
  get('an empty :path', set(':path', '')),
  get('an empty :method', set(':method', '')),
  get('an empty :authority', set(':authority', '')),
  get('a :status', add([':status', '200'])),
  get('a pseudo-field that nobody knows', add([':postern', '1'])),
  get('a pseudo-field after a regular one', (fields) => [['accept', '*/*'], ...fields]),
  get(':protocol on a GET', add([':protocol', 'websocket'])),
  // What is in them.
  get(':path without a slash', set(':path', 'x')),
  get(':path in absolute-form', (fields, authority) => set(':path', `https://${authority}/`)(fields, authority)),
  get(':path in absolute-form of another host', set(':path', 'https://evil.test/')),
  get(':path with a space', set(':path', '/a b')),
  get(':path with a request of its own', set(':path', '/ HTTP/1.1\r\nHost: evil.test\r\n\r\n')),
  get(':path with CR', set(':path', '/a\rb')),
  get(':path with LF', set(':path', '/a\nb')),
  get(':path with NUL', set(':path', '/a\0b')),
  get(':path with a tab', set(':path', '/a\tb')),
  get(':path with a fragment', set(':path', '/a#b')),
  get(':path with a byte above 127', set(':path', '/a\xffb')),
  get(':path of OPTIONS on a GET', set(':path', '*')),
  get(':method with a space', set(':method', 'GET /evil')),
  get(':method with LF', set(':method', 'GET\n')),
  get(':method in a way that HTTP/1.1 could not say', set(':method', 'GE(T')),
  get(':authority with LF', (fields, authority) => set(':authority', `${authority}\n`)(fields, authority)),
  get(':authority with a user', (fields, authority) => set(':authority', `user@${authority}`)(fields, authority)),
  get(':authority with a path', (fields, authority) => set(':authority', `${authority}/x`)(fields, authority)),
  get(':scheme with LF', set(':scheme', 'https\n')),
  get(':scheme of plain HTTP inside TLS', set(':scheme', 'http'), /^(400|421) \w+|reset PROTOCOL_ERROR$/),
  get(':scheme that nobody knows', set(':scheme', 'gopher'), /^(400|421) \w+|reset PROTOCOL_ERROR$/),
  // Section 8.2: fields.
  get('a name in upper case', add(['X-Upper', '1'])),
  field('an empty name', ['', '1']),
  field('a name with a space', ['x y', '1']),
  field('a name with a colon in it', ['x:y', '1']),
  field('a name with LF', ['x\ny', '1']),
  field('a name with a byte above 127', ['x\xff', '1']),
  field('a value with NUL', ['x', 'a\0b']),
  field('a value with CR', ['x', 'a\rb']),
  field('a value with LF', ['x', 'a\nb']),
  get('a value that begins with a space', add(['x', ' a']), /^(200|400 \w+|reset PROTOCOL_ERROR)$/),
  get('a value that ends with a tab', add(['x', 'a\t']), /^(200|400 \w+|reset PROTOCOL_ERROR)$/),
  get('connection', add(['connection', 'keep-alive'])),
  get('connection that names what is to be dropped', add(['connection', 'authorization'])),
  get('proxy-connection', add(['proxy-connection', 'keep-alive'])),
  get('keep-alive', add(['keep-alive', 'timeout=5'])),
  get('upgrade', add(['upgrade', 'websocket'])),
  get('transfer-encoding', add(['transfer-encoding', 'chunked'])),
  get('te that is not trailers', add(['te', 'gzip'])),
  // Section 8.3.1: host.
  get(
    'host that is not :authority',
    add(['host', 'evil.test']),
    /^(400( \w+)?|421 TARGET_MISMATCH|reset PROTOCOL_ERROR)$/,
  ),
  get('two host', (fields, authority) => [...fields, ['host', authority], ['host', authority]]),
  // Section 8.1.1: length.
  get('content-length on a GET without a body', add(['content-length', '5'])),
  get('two content-length that differ', add(['content-length', '0'], ['content-length', '1'])),
  get('content-length that is a list', add(['content-length', '0, 0'])),
  get('content-length with a sign', add(['content-length', '+0'])),
  get('content-length that is no number', add(['content-length', 'x'])),
  get('content-length beyond all integers', add(['content-length', '99999999999999999999'])),
  post(
    'more DATA than content-length',
    [['content-length', '3']],
    [data(1, 'four', { end: true })],
    /^(400( \w+)?|reset PROTOCOL_ERROR|goaway (PROTOCOL|INTERNAL)_ERROR|closed)$/,
  ),
  post('less DATA than content-length', [['content-length', '5']], [data(1, 'four', { end: true })]),
  // Trailers.
  post('trailers with a pseudo-field', [], [data(1, 'x'), headers(1, block([[':path', '/other']]), { end: true })]),
  post('trailers without the end of the stream', [], [data(1, 'x'), headers(1, block([['x', '1']]))]),
  post('trailers with upper case', [], [data(1, 'x'), headers(1, block([['X', '1']]), { end: true })]),
  post('trailers with connection', [], [data(1, 'x'), headers(1, block([['connection', 'x']]), { end: true })]),
  // Section 8.5, and RFC 8441.
  {
    name: 'CONNECT',
    ends: /^403 METHOD_DENIED$/,
    frames: (authority) => [
      headers(
        1,
        block([
          [':method', 'CONNECT'],
          [':authority', authority],
        ]),
      ),
    ],
  },
  {
    name: 'CONNECT with a :path',
    ends: REFUSED,
    frames: (authority) => [headers(1, block(requestFields(authority, {}, { method: 'CONNECT' })))],
  },
  {
    name: 'extended CONNECT that was not offered',
    ends: /^(403 METHOD_DENIED|400( \w+)?|reset PROTOCOL_ERROR|goaway PROTOCOL_ERROR)$/,
    frames: (authority) => [
      headers(1, block([...requestFields(authority, {}, { method: 'CONNECT' }), [':protocol', 'websocket']])),
    ],
  },
  get('TRACE', set(':method', 'TRACE'), /^403 METHOD_DENIED$/),
  get(':authority of another host', set(':authority', 'evil.test'), /^421 TARGET_MISMATCH$/),
  get(
    ':authority of another allowed host',
    (fields, authority) => set(':authority', authority.replace('origin', 'other'))(fields, authority),
    /^421 TARGET_MISMATCH$/,
  ),
  get(':authority with another port', set(':authority', 'origin.test:1'), /^421 TARGET_MISMATCH$/),
  get(':authority without the port', set(':authority', 'origin.test'), /^421 TARGET_MISMATCH$/),
  get(
    'host of another host instead of :authority',
    (fields) => [...fields.filter(([name]) => name !== ':authority'), ['host', 'evil.test']],
    /^(421 TARGET_MISMATCH|400( \w+)?|reset PROTOCOL_ERROR)$/,
  ),
  // RFC 7541.
  raw('a field of index 0', () => [indexed(0)], COMPRESSION),
  raw('a field that the table does not have', () => [indexed(200)], COMPRESSION),
  raw('a table larger than was offered', () => [integer(1 << 20, 5, 0x20)], COMPRESSION),
  raw('an integer without an end', () => [Buffer.alloc(20, 0xff)], COMPRESSION),
  raw('a string longer than its block', () => [Buffer.from([0x00, 0x7f, 0x61])], COMPRESSION),
  raw(
    'Huffman code with the end of string in it',
    () => [Buffer.from([0x00, 0x01, 0x78]), huffman(Buffer.alloc(4, 0xff))],
    COMPRESSION,
  ),
  raw('Huffman padding of zeros', () => [Buffer.from([0x00, 0x01, 0x78]), huffman(Buffer.from([0x18]))], COMPRESSION),
  {
    name: 'a header section that another stream interrupts',
    ends: /^goaway PROTOCOL_ERROR$/,
    frames: (authority) => [headers(1, block(requestFields(authority)), { more: true, end: true }), data(3, 'x')],
  },
  {
    name: 'CONTINUATION of nothing',
    ends: /^goaway PROTOCOL_ERROR$/,
    frames: (authority) => [continuation(1, block(requestFields(authority)))],
  },
];

/** A whole request, and then bytes in its block that no decoder takes. */
function raw(name: string, tail: () => readonly Buffer[], ends: RegExp): Malformed {
  return {
    name,
    ends,
    frames: (authority) => {
      const fields = requestFields(authority).map((field) => literal(field));
      return [headers(1, Buffer.concat([...fields, ...tail()]), { end: true })];
    },
  };
}
