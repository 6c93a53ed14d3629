import { requestFraming } from '../../src/http1/framing.ts';
import { HeadCutter } from '../../src/http1/head.ts';
import { Inbox } from '../../src/http1/inbox.ts';
import { parseRequestHead, type RequestHead } from '../../src/http1/request-head.ts';
import type { Refused } from '../../src/http1/syntax.ts';
import { requestHeadText } from '../../src/http1/write.ts';
import { DICTIONARY } from '../../test/differential/dictionary.ts';
import { REQUESTS } from '../../test/differential/request-cases.ts';
import { checkFields, checkSplit, TOKEN } from '../checks/heads.ts';
import { holds, same, type Target } from '../target.ts';

const LIMITS = { headBytes: 1_024, headFields: 20 };

type Reading = RequestHead | Refused | null;

function read(pieces: readonly Buffer[]): { readonly reading: Reading; readonly left: number } {
  const inbox = new Inbox();
  const cutter = new HeadCutter(LIMITS);
  let text: string | Refused | null = null;
  for (const piece of pieces) {
    inbox.push(piece);
    if (text === null) text = cutter.cut(inbox);
  }
  const reading = typeof text === 'string' ? parseRequestHead(text, LIMITS.headFields) : text;
  return { reading, left: inbox.length };
}

/** The head of a request: one reading, however it is cut, of nothing but what the grammar allows. */
export const target: Target = {
  name: 'request-head',
  seeds: REQUESTS.map(({ bytes }) => Buffer.from(bytes, 'latin1')),
  dictionary: DICTIONARY,
  bytesMax: 1_500,
  check(input) {
    const { reading, left } = read([input]);
    checkSplit(input, (pieces) => read(pieces), { reading, left });
    if (reading === null || reading.kind === 'refused') return;
    const text = input.toString('latin1', 0, input.length - left);
    holds('a head ends at the first empty line', text.indexOf('\r\n\r\n') === text.length - 4);
    holds('a method is a token', TOKEN.test(reading.method));
    holds('a target is printable', /^[!-~]+$/.test(reading.target));
    holds(
      'the request line is what came',
      text.startsWith(`${reading.method} ${reading.target} HTTP/${reading.version}\r\n`),
    );
    checkFields(text, reading.fields);
    const again = parseRequestHead(
      requestHeadText(reading.method, reading.target, reading.fields, '').slice(0, -4),
      LIMITS.headFields,
    );
    same('what we write is what we read', again, { ...reading, version: '1.1' });
    checkFraming(reading);
  },
};

/** RFC 9112 section 6.3, said in another way than in the code. */
function checkFraming(head: RequestHead): void {
  const framing = requestFraming(head);
  const values = (lower: string): string[] =>
    head.fields.filter((each) => each.lower === lower).map(({ value }) => value);
  const lengths = values('content-length');
  const codings = values('transfer-encoding');
  if (framing.kind === 'none') holds('no framing field, no body', lengths.length + codings.length === 0);
  if (framing.kind === 'length') {
    holds('a length is the only framing field', lengths.length === 1 && codings.length === 0);
    holds(
      'a length is its digits',
      /^[0-9]+$/.test(lengths[0] ?? '') && BigInt(lengths[0] ?? '') === BigInt(framing.bytes),
    );
  }
  if (framing.kind === 'chunked') {
    holds('chunked is the only framing field', codings.length === 1 && lengths.length === 0);
    holds('chunked is spelled so', /^chunked$/i.test(codings[0] ?? '') && head.version === '1.1');
  }
  holds('a request does not end with its connection', framing.kind !== 'close');
}
