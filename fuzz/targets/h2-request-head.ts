import { parseRequestHead } from '../../src/http1/request-head.ts';
import { requestHeadText } from '../../src/http1/write.ts';
import { bytesOf, rawFields } from '../../src/http2/raw-fields.ts';
import { readRequestHead } from '../../src/http2/request-head.ts';
import { TOKEN } from '../checks/heads.ts';
import { holds, same, type Target } from '../target.ts';

const LIMITS = { headBytes: 1_024, headFields: 20 };
const SEED = [':method', 'GET', ':scheme', 'https', ':authority', 'a.test', ':path', '/a?b'];

/** Names and values in turn, as they come out of HPACK: anything but the separator of this fuzzer. */
const SEPARATOR = '\x1f';

/** The head of a request of HTTP/2: what is taken can be written as one of HTTP/1.1, and is read there as the same. */
export const target: Target = {
  name: 'h2-request-head',
  seeds: [
    SEED,
    [...SEED, 'cookie', 'a=1', 'x', 'y', 'cookie', 'b=2'],
    [...SEED, 'host', 'a.test', 'te', 'trailers'],
    [':method', 'CONNECT', ':authority', 'a.test:443'],
    [':method', 'OPTIONS', ':scheme', 'https', ':path', '*', 'host', 'a.test'],
  ].map((list) => list.join(SEPARATOR)),
  dictionary: [
    ...SEED,
    'host',
    'cookie',
    'CONNECT',
    ':protocol',
    '\r\n',
    '\n',
    '\0',
    ' ',
    '*',
    SEPARATOR,
    '\x1f\x1f',
    'X-A',
  ],
  bytesMax: 1_500,
  check(input) {
    const list = input.toString('latin1').split(SEPARATOR);
    const head = readRequestHead({ list, sensitive: ['cookie'] }, 'https', LIMITS);
    if (head.kind === 'refused') return;
    holds('a method is a token', TOKEN.test(head.method));
    holds('a section of more than its limit is refused', head.fields.length <= LIMITS.headFields + 1);
    for (const { name, lower, value } of head.fields) {
      holds('a name is a token in lower case', TOKEN.test(name) && name === name.toLowerCase() && name === lower);
      holds('a value cannot end a line', !/[\r\n\0]/.test(value));
    }
    // Refused for what it is, whatever it brings.
    if (head.method === 'CONNECT') return;
    holds('there is one cookie', head.fields.filter(({ lower }) => lower === 'cookie').length <= 1);
    holds('a target is a path or *', /^(\/[!-~]*|\*)$/.test(head.target));
    checkOverH1(head.method, head.target, head.fields);
    const raw = rawFields([], head.fields);
    same('nothing is lost when it goes on', raw.list.length, head.fields.length * 2);
    holds('nor is its size', bytesOf(raw) <= input.length + head.fields.length * 2 + 4);
  },
};

function checkOverH1(method: string, path: string, fields: Parameters<typeof rawFields>[1]): void {
  const again = parseRequestHead(requestHeadText(method, path, fields, '').slice(0, -4), LIMITS.headFields + 1);
  const trimmed = fields.map(({ name, lower, value }) => ({
    name,
    lower,
    value: value.replace(/^[ \t]+|[ \t]+$/g, ''),
  }));
  same('as HTTP/1.1 it is read as the same', again, {
    kind: 'request',
    method,
    target: path,
    version: '1.1',
    fields: trimmed,
  });
}
