import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readClientHello } from '../../src/tls/client-hello.ts';
import { alpn, extension, hello, helloMessage, inRecords, serverNames, versions } from '../support/hello-bytes.ts';

const host = fc.domain();
const protocols = fc.array(fc.string({ minLength: 1, maxLength: 20, unit: 'binary-ascii' }), {
  minLength: 1,
  maxLength: 5,
});
const others = fc.uniqueArray(fc.integer({ min: 100, max: 0xfe00 }), { maxLength: 5 });

const parts = fc.record({ host, protocols, others, numbers: fc.constantFrom([0x0304], [0x0304, 0x0303], [0x0303]) });

const extensionsOf = (one: typeof parts extends fc.Arbitrary<infer T> ? T : never): Buffer[] => [
  serverNames([0, one.host]),
  ...one.others.map((type) => extension(type, Buffer.alloc(type % 50))),
  alpn(...one.protocols),
  versions(...one.numbers),
];

test('what is written is what is read, however it is cut into records', () => {
  fc.assert(
    fc.property(parts, fc.integer({ min: 8, max: 2000 }), (one, bytesEach) => {
      const message = helloMessage({ extensions: extensionsOf(one) });
      expect(readClientHello(inRecords(message, bytesEach))).toEqual({
        kind: 'hello',
        sni: one.host,
        alpn: one.protocols,
        versions: one.numbers,
        ech: false,
      });
    }),
  );
});

test('a beginning of a hello needs more, and never anything else', () => {
  fc.assert(
    fc.property(parts, fc.integer({ min: 8, max: 2000 }), fc.nat(), (one, bytesEach, cut) => {
      const bytes = hello({ extensions: extensionsOf(one) }, bytesEach);
      expect(readClientHello(bytes.subarray(0, cut % bytes.length)).kind).toBe('need-more');
    }),
  );
});

test('any bytes get an answer', () => {
  const shapes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    // Behind heads that let them in as far as possible.
    fc.uint8Array({ maxLength: 300 }).map((bytes) => inRecords(Buffer.from(bytes))),
    fc
      .uint8Array({ maxLength: 300 })
      .map((bytes) => inRecords(Buffer.concat([Buffer.from([1, 0, bytes.length >> 8, bytes.length & 255]), bytes]))),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => hello({ extensions: null, tail: Buffer.from(bytes) })),
  );
  fc.assert(
    fc.property(shapes, (bytes) => {
      expect(['need-more', 'hello', 'refused']).toContain(readClientHello(Buffer.from(bytes)).kind);
    }),
    { numRuns: 2000 },
  );
});

test('a hello with bytes changed gets an answer, and what stands around it in memory changes nothing', () => {
  const edits = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(parts, edits, fc.integer({ min: 0, max: 255 }), (one, changes, filler) => {
      const bytes = hello({ extensions: extensionsOf(one) });
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      const around = Buffer.alloc(bytes.length + 200, filler);
      bytes.copy(around, 100);
      expect(readClientHello(around.subarray(100, 100 + bytes.length))).toEqual(readClientHello(bytes));
    }),
    { numRuns: 2000 },
  );
});

test('once refused, more bytes do not change the answer', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.uint8Array({ maxLength: 60 }), (first, more) => {
      const head = Buffer.concat([Buffer.from([22, 3, 1, 0, 40, 1, 0, 0, 36]), first]);
      const answer = readClientHello(head);
      if (answer.kind === 'refused') expect(readClientHello(Buffer.concat([head, more]))).toEqual(answer);
    }),
    { numRuns: 1000 },
  );
});
