import { readClientHello } from '../../src/tls/client-hello.ts';
import { alpn, extension, hello, inRecords, serverNames, u16, versions } from '../../test/support/hello-bytes.ts';
import { holds, same, type Target } from '../target.ts';

const EXTENSIONS = [
  serverNames([0, 'api.example.com']),
  extension(10, u16(0)),
  alpn('h2', 'http/1.1'),
  versions(0x0a0a, 0x0304, 0x0303),
];

/** The first bytes of a TLS connection: one verdict, however they arrive and however they are cut into records. */
export const target: Target = {
  name: 'client-hello',
  seeds: [
    hello({ extensions: EXTENSIONS }),
    hello({ extensions: EXTENSIONS }, 40),
    hello({ extensions: null }),
    hello({ extensions: [] }),
    hello({ extensions: [serverNames([0, 'a.test'], [0, 'b.test'])] }),
    hello({ extensions: [serverNames([0, 'a.test']), serverNames([0, 'b.test'])] }),
    hello({ extensions: [extension(0xfe0d, Buffer.alloc(8))] }),
    Buffer.from('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'),
    Buffer.from([0x80, 0x2e, 1, 3, 1]),
  ],
  dictionary: [
    '\x16\x03\x01',
    '\x01\x00\x00',
    '\x00\x00',
    '\x00\x10',
    '\xfe\x0d',
    '\x00\x2b',
    '\xff\xff',
    'a.test',
    '\x03\x03',
    '\x0a\x0a',
  ],
  bytesMax: 600,
  check(input) {
    const whole = readClientHello(input);
    checkPrefixes(input, whole);
    const around = Buffer.alloc(input.length + 64, 0x16);
    input.copy(around, 32);
    same(
      'what stands around it in memory changes nothing',
      readClientHello(around.subarray(32, 32 + input.length)),
      whole,
    );
    if (whole.kind !== 'hello') return;
    if (whole.sni !== null) {
      holds('a name is printable', /^[!-~]+$/.test(whole.sni));
      holds('a name is among the bytes', messageIn(input).includes(Buffer.from(whole.sni, 'latin1')));
    }
    holds(
      'GREASE is no version',
      whole.versions.every((version) => (version & 0x0f0f) !== 0x0a0a || version >> 8 !== (version & 0xff)),
    );
    for (const size of [16, 100])
      same('records may be cut anywhere', readClientHello(inRecords(messageIn(input), size)), whole);
    const more = Buffer.concat([input, Buffer.from('early')]);
    same('what follows the hello changes nothing', readClientHello(more), whole);
  },
};

/** A verdict stays, whatever comes after it; before it, more is wanted. Some prefixes of each input, by its length. */
function checkPrefixes(input: Buffer, whole: ReturnType<typeof readClientHello>): void {
  let before: ReturnType<typeof readClientHello> = { kind: 'need-more' };
  const step = 1 + (input.length >> 4);
  for (let length = 0; length <= input.length; length += step) {
    const reading = readClientHello(input.subarray(0, length));
    if (before.kind !== 'need-more') same('a verdict stays', reading, before);
    before = reading;
  }
  if (before.kind !== 'need-more') same('the verdict of a beginning is that of the whole', whole, before);
}

/** The handshake message of a good hello, without its records. */
function messageIn(input: Buffer): Buffer {
  const pieces: Buffer[] = [];
  let wanted = Number.POSITIVE_INFINITY;
  let held = 0;
  for (let at = 0; at + 5 <= input.length && held < wanted; ) {
    const length = input.readUInt16BE(at + 3);
    pieces.push(input.subarray(at + 5, at + 5 + length));
    held += length;
    at += 5 + length;
    const message = Buffer.concat(pieces);
    if (message.length >= 4) wanted = 4 + message.readUIntBE(1, 3);
  }
  return Buffer.concat(pieces);
}
