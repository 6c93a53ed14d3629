import { describe, expect, it } from 'vitest';
import { TCP_BYTES_MAX, udpBytesMax, writeAnswer } from '../../../src/dns/answer.ts';
import { readQuery } from '../../../src/dns/query.ts';
import { RCODE, TYPE, typeName } from '../../../src/dns/types.ts';
import { labels, nameBytes, opt, queryBytes, readAnswer } from '../../support/dns-query.ts';

const pointer = (at: number): Buffer => Buffer.from([0xc0, at]);
const long = (bytes: number): Buffer => labels(...new Array<string>(Math.floor(bytes / 50)).fill('a'.repeat(49)));

describe('a DNS query', () => {
  it('is read with its name in the case of the client', () => {
    expect(readQuery(queryBytes('Api.Example.COM', { type: 28 }))).toMatchObject({
      kind: 'query',
      header: { id: 0x1234, recursionDesired: true, checkingDisabled: false },
      question: { name: 'Api.Example.COM', type: 28, class: 1 },
      edns: null,
    });
  });

  it('may ask for the root, and have EDNS with options and a record besides', () => {
    const cookie = Buffer.from('000a00080102030405060708', 'hex');
    const other = Buffer.concat([pointer(12), Buffer.from('00fa00ff000000000000', 'hex')]);
    const reading = readQuery(queryBytes('', { more: [opt({ data: cookie, flags: 0x8000, udpBytes: 4096 }), other] }));
    expect(reading).toMatchObject({ question: { name: '' }, edns: { udpBytes: 4096, version: 0, dnssecOk: true } });
  });

  it.each([
    ['dots in a label', labels('api.example', 'com')],
    ['a NUL', labels('api\0', 'com')],
    ['a space', labels('a b', 'com')],
    ['an escape', labels('a\\046b', 'com')],
    ['bytes above ASCII', labels('caf\xe9', 'com')],
    ['a wildcard', labels('*', 'com')],
  ])('names no host with %s', (_what, name) => {
    expect(readQuery(queryBytes('', { name }))).toMatchObject({ kind: 'query', question: { name: null } });
  });

  it.each([
    ['less than a head', Buffer.alloc(11)],
    ['nothing', Buffer.alloc(0)],
    ['an answer', queryBytes('a.test', { flags: 0x8180 })],
    ['a bad answer', queryBytes('a.test', { flags: 0x8180, name: pointer(12) })],
  ])('is not answered if it is %s', (_what, bytes) => {
    expect(readQuery(bytes)).toEqual({ kind: 'ignore' });
  });

  it.each([
    ['no question', queryBytes('a.test', { counts: [0, 0, 0, 0] })],
    [
      'two questions',
      queryBytes('a.test', {
        counts: [2, 0, 0, 0],
        tail: Buffer.concat([nameBytes('b.test'), Buffer.from([0, 1, 0, 1])]),
      }),
    ],
    ['a thousand questions', queryBytes('a.test', { counts: [1000, 0, 0, 0] })],
    ['an answer in it', queryBytes('a.test', { counts: [1, 1, 0, 0] })],
    ['an authority in it', queryBytes('a.test', { counts: [1, 0, 1, 0] })],
    ['65535 records', queryBytes('a.test', { counts: [1, 0, 0, 65_535] })],
    ['the flag of a cut message', queryBytes('a.test', { flags: 0x0300 })],
    ['a pointer to itself as its name', queryBytes('', { name: pointer(12) })],
    ['a pointer behind a label', queryBytes('', { name: Buffer.concat([Buffer.from('\x01a'), pointer(12)]) })],
    [
      'a label of 64 bytes',
      queryBytes('', { name: Buffer.concat([Buffer.from([64]), Buffer.alloc(64, 'a'), Buffer.from([0])]) }),
    ],
    ['an unknown kind of label', queryBytes('', { name: Buffer.from([0x81, 0x61, 0]) })],
    ['a name of 301 bytes', queryBytes('', { name: long(300) })],
    ['a name without an end', queryBytes('a.test').subarray(0, 17)],
    ['a question without an end', queryBytes('a.test').subarray(0, -1)],
    ['bytes behind its end', queryBytes('a.test', { tail: Buffer.from([0]) })],
    ['two OPT records', queryBytes('a.test', { more: [opt(), opt()] })],
    ['an OPT record of a name', queryBytes('a.test', { more: [opt({ name: nameBytes('x') })] })],
    ['an option without an end', queryBytes('a.test', { more: [opt({ data: Buffer.from('000a0008', 'hex') })] })],
    ['half an option', queryBytes('a.test', { more: [opt({ data: Buffer.from('000a', 'hex') })] })],
    ['a record without an end', queryBytes('a.test', { more: [opt().subarray(0, -1)] })],
    ['a record whose name has no end', queryBytes('a.test', { counts: [1, 0, 0, 1], tail: Buffer.alloc(40, 1) })],
  ])('is refused with %s', (_what, bytes) => {
    expect(readQuery(bytes)).toMatchObject({ kind: 'refused', rcode: RCODE.FORMERR });
  });

  it('is refused for another operation, and an unknown EDNS', () => {
    expect(readQuery(queryBytes('a.test', { flags: 0x2800 }))).toMatchObject({ kind: 'refused', rcode: RCODE.NOTIMP });
    const reading = readQuery(queryBytes('a.test', { more: [opt({ version: 1 })] }));
    expect(reading).toMatchObject({ kind: 'refused', rcode: RCODE.BADVERS });
    if (reading.kind !== 'refused') throw new Error();
    const bytes = writeAnswer(reading, { rcode: reading.rcode, records: [], extended: null }, 512);
    expect(readAnswer(bytes)).toMatchObject({ rcode: 16, question: '', edns: 'plain' });
  });
});

describe('a DNS answer', () => {
  const query = (more: readonly Buffer[] = []) => {
    const reading = readQuery(queryBytes('aPi.test', { more }));
    if (reading.kind !== 'query') throw new Error(reading.kind);
    return reading;
  };
  const addresses = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ type: TYPE.A, data: Buffer.from([192, 0, 2, index]) }));
  const extended = { code: 15, text: 'HOST_DENIED' } as const;

  it('repeats the question as it came, and has the records', () => {
    const bytes = writeAnswer(query(), { rcode: RCODE.NOERROR, records: addresses(2), extended: null }, 512);
    expect(readAnswer(bytes)).toEqual({
      id: 0x1234,
      rcode: 0,
      truncated: false,
      question: `${nameBytes('aPi.test').toString('latin1')}\0\x01\0\x01`,
      records: [
        [1, '192.0.2.0'],
        [1, '192.0.2.1'],
      ],
      edns: null,
    });
  });

  it('says why only to who knows EDNS', () => {
    const denied = { rcode: RCODE.REFUSED, records: [], extended } as const;
    expect(readAnswer(writeAnswer(query(), denied, 512))).toMatchObject({ rcode: 5, edns: null });
    expect(readAnswer(writeAnswer(query([opt()]), denied, 512))).toMatchObject({
      edns: { code: 15, text: 'HOST_DENIED' },
    });
  });

  it('is cut where it is too large for UDP, and never for TCP', () => {
    const answer = { rcode: RCODE.NOERROR, records: addresses(200), extended: null } as const;
    const cut = writeAnswer(query([opt()]), answer, udpBytesMax(query([opt()]).edns));
    expect(readAnswer(cut)).toMatchObject({ truncated: true, records: [], edns: 'plain' });
    expect(readAnswer(writeAnswer(query([opt()]), answer, TCP_BYTES_MAX)).records).toHaveLength(200);
  });

  it.each([
    [null, 512],
    [0, 512],
    [511, 512],
    [900, 900],
    [1232, 1232],
    [65_535, 1232],
  ])('has for a client that takes %s bytes at most %d', (udpBytes, wanted) => {
    expect(udpBytesMax(udpBytes === null ? null : { udpBytes, version: 0, dnssecOk: false })).toBe(wanted);
  });

  it('names types as records do', () => {
    expect([1, 28, 65, 255, 4711].map(typeName)).toEqual(['A', 'AAAA', 'HTTPS', 'ANY', 'TYPE4711']);
  });
});
