import { responseFraming } from '../../src/http1/framing.ts';
import { HeadCutter } from '../../src/http1/head.ts';
import { Inbox } from '../../src/http1/inbox.ts';
import { parseResponseHead, type ResponseHead } from '../../src/http1/response-head.ts';
import type { Refused } from '../../src/http1/syntax.ts';
import { responseHeadText } from '../../src/http1/write.ts';
import { DICTIONARY } from '../../test/differential/dictionary.ts';
import { RESPONSES } from '../../test/differential/response-cases.ts';
import { checkFields, checkSplit } from '../checks/heads.ts';
import { holds, same, type Target } from '../target.ts';

const LIMITS = { headBytes: 1_024, headFields: 20 };

function read(pieces: readonly Buffer[]): { readonly reading: ResponseHead | Refused | null; readonly left: number } {
  const inbox = new Inbox();
  const cutter = new HeadCutter(LIMITS);
  let text: string | Refused | null = null;
  for (const piece of pieces) {
    inbox.push(piece);
    if (text === null) text = cutter.cut(inbox);
  }
  const reading = typeof text === 'string' ? parseResponseHead(text, LIMITS.headFields) : text;
  return { reading, left: inbox.length };
}

/** The head of a response, and where it says that its body ends. */
export const target: Target = {
  name: 'response-head',
  seeds: RESPONSES.map(({ bytes }) => Buffer.from(bytes, 'latin1')),
  dictionary: [...DICTIONARY, ' 204 ', ' 304 ', ' 100 ', '200'],
  bytesMax: 1_500,
  check(input) {
    const { reading, left } = read([input]);
    checkSplit(input, (pieces) => read(pieces), { reading, left });
    if (reading === null || reading.kind === 'refused') return;
    const { status, reason, fields } = reading;
    const text = input.toString('latin1', 0, input.length - left);
    holds('a head ends at the first empty line', text.indexOf('\r\n\r\n') === text.length - 4);
    holds('a status has three digits', status >= 100 && status <= 999);
    const line = text.slice(0, text.indexOf('\r\n'));
    const start = `HTTP/${reading.version} ${status}`;
    holds('the status line is what came', line === `${start} ${reason}` || (reason === '' && line === start));
    holds('a reason has no control', /^[\t -~\x80-\xff]*$/.test(reason));
    checkFields(text, fields);
    const again = parseResponseHead(responseHeadText(status, reason, fields, '').slice(0, -4), LIMITS.headFields);
    same('what we write is what we read', again, { ...reading, version: '1.1' });
    checkFraming(reading);
  },
};

/** RFC 9112 section 6.3, said in another way than in the code. */
function checkFraming(head: ResponseHead): void {
  const { status } = head;
  const framing = responseFraming(head, 'GET');
  const count = (lower: string): number => head.fields.filter((each) => each.lower === lower).length;
  const declared = count('content-length') + count('transfer-encoding');
  if (framing.kind === 'refused') {
    holds('only framing fields make a framing bad', declared > 0);
    return;
  }
  const bodiless = status < 200 || status === 204 || status === 304;
  same('a body is left out where the status says so', framing.kind === 'none', bodiless);
  if (!bodiless)
    same('a body ends with the connection where nothing else is said', framing.kind === 'close', declared === 0);
  holds('one field frames a body', declared <= 1);
  same('the answer to HEAD has none', responseFraming(head, 'HEAD'), { kind: 'none' });
}
