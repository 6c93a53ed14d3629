import { udpBytesMax, writeAnswer } from '../../src/dns/answer.ts';
import { readQuery } from '../../src/dns/query.ts';
import { RCODE, TYPE } from '../../src/dns/types.ts';
import { labels, nameBytes, opt, queryBytes, readAnswer } from '../../test/support/dns-query.ts';
import { holds, same, type Target } from '../target.ts';

/** What a DNS client asks: read in one pass, answered to itself alone, and never with more than it takes. */
export const target: Target = {
  name: 'dns-query',
  seeds: [
    queryBytes('api.example.com'),
    queryBytes('API.test', { type: 28, more: [opt({ udpBytes: 4096, flags: 0x8000 })] }),
    queryBytes('', { type: 2 }),
    queryBytes('a.test', { more: [opt({ data: Buffer.from('000a00080102030405060708', 'hex') })] }),
    queryBytes('', { name: labels('a.b', 'c') }),
    queryBytes('', { name: Buffer.from([0xc0, 0x0c]) }),
    queryBytes('a.test', { flags: 0x8180 }),
    queryBytes('a.test', { flags: 0x2800 }),
    queryBytes('a.test', { counts: [2, 0, 0, 0] }),
  ],
  dictionary: [
    '\xc0\x0c',
    '\0\0\x29',
    '\0\x01\0\x01',
    '\x3f',
    '\0\xff',
    '\x84\x00',
    nameBytes('a.test').toString('latin1'),
  ],
  bytesMax: 600,
  check(input) {
    const reading = readQuery(input);
    same('a reading does not change', readQuery(Buffer.from(input)), reading);
    if (reading.kind === 'ignore') return;
    const records = Array.from({ length: 90 }, (_, index) => ({ type: TYPE.A, data: Buffer.from([192, 0, 2, index]) }));
    const rcode = reading.kind === 'query' ? RCODE.NOERROR : reading.rcode;
    const bytesMax = udpBytesMax(reading.edns);
    const bytes = writeAnswer(
      reading,
      { rcode, records: reading.kind === 'query' ? records : [], extended: null },
      bytesMax,
    );
    holds('an answer is as large as the client takes', bytes.length <= bytesMax);
    const answer = readAnswer(bytes);
    same('it is the answer to this', answer.id, input.readUInt16BE(0));
    same('and says what was meant', answer.rcode, rcode);
    if (reading.kind !== 'query') return;
    const { question } = reading;
    same('the question comes back as it came', answer.question, question.bytes.toString('latin1'));
    holds('a name has no byte that hosts have not', question.name === null || /^[\w.-]*$/.test(question.name));
    if (question.name !== null)
      same(
        'and is spelled by its labels alone',
        nameBytes(question.name).toString('latin1'),
        question.bytes.toString('latin1', 0, question.bytes.length - 4),
      );
  },
};
