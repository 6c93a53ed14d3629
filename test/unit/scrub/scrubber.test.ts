import { describe, expect, it } from 'vitest';
import { type Needles, needlesOf } from '../../../src/scrub/needles.ts';
import { type Extent, Scrubber } from '../../../src/scrub/scrubber.ts';

const TOKEN = 'ghp_0123456789abcdefghijKLMNOPQRST';

function needles(...values: string[]): Needles {
  const made = needlesOf(values);
  if (made === null) throw new Error('nothing to look for');
  return made;
}

interface Run {
  readonly text: string;
  readonly count: number;
}

function run(scrubber: Scrubber, text: Buffer | string, pieceBytes = Number.POSITIVE_INFINITY): Run {
  const bytes = Buffer.from(text);
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) out.push(scrubber.push(bytes.subarray(at, at + pieceBytes)));
  out.push(scrubber.end());
  return { text: Buffer.concat(out).toString('latin1'), count: scrubber.count };
}

const whole = (text: string, ...values: string[]): Run => run(new Scrubber(needles(...values)), text);

describe('what passes', () => {
  it('is the very Buffer that was pushed, if it holds nothing', () => {
    const scrubber = new Scrubber(needles(TOKEN));
    for (const text of ['', 'x', '{"a":1}\n', 'data: {"text":"hello"}\n\n', `${'lorem ipsum '.repeat(6_000)}\n`]) {
      const bytes = Buffer.from(text);
      expect(scrubber.push(bytes)).toBe(bytes);
    }
    expect(scrubber.heldBytes).toBe(0);
    expect(scrubber.end()).toHaveLength(0);
    expect(scrubber.count).toBe(0);
  });

  it('is a copy where something was masked: what was pushed is never written to', () => {
    const scrubber = new Scrubber(needles(TOKEN));
    const bytes = Buffer.from(`a ${TOKEN} b`);
    expect(scrubber.push(bytes).toString()).toBe(`a ${'*'.repeat(TOKEN.length)} b`);
    expect(bytes.toString()).toBe(`a ${TOKEN} b`);
  });

  it('does not change when the Buffer that was pushed is used again', () => {
    const scrubber = new Scrubber(needles(TOKEN));
    const bytes = Buffer.from(`a ${TOKEN.slice(0, 10)}`);
    const first = scrubber.push(bytes).toString();
    bytes.fill('#');
    expect(first + scrubber.push(Buffer.from(TOKEN.slice(10))).toString()).toBe(`a ${'*'.repeat(TOKEN.length)}`);
  });
});

describe('what is held back', () => {
  it.each([
    ['hello', 0],
    ['hello g', 1],
    ['hello gh', 2],
    ['hello ghp', 3],
    ['hello ghx', 0],
    [`hello ${TOKEN.slice(0, -1)}`, TOKEN.length - 1],
    [`hello ${TOKEN}`, 0],
    [`hello ${TOKEN.slice(0, 20)}.`, 0],
    ['hello %', 1],
    ['hello %6', 2],
    ['hello %67', 3],
    ['hello %68', 0],
    ['hello %25', 3],
    ['hello \\', 1],
    ['hello \\u0067', 6],
    ['hello \\u006', 5],
    ['hello \\u0068', 0],
    ['data: {"delta":"tokens"}\n\n', 0],
  ])('%j holds %i bytes', (text, bytes) => {
    for (const before of ['', '.'.repeat(300), `${'.'.repeat(70_000)}`]) {
      const scrubber = new Scrubber(needles(TOKEN));
      const passed = scrubber.push(Buffer.from(before + text));
      expect(scrubber.heldBytes).toBe(bytes);
      if (!text.includes(TOKEN)) expect(passed.length).toBe(before.length + text.length - bytes);
    }
  });

  it('is sent on when what follows is not the secret', () => {
    const scrubber = new Scrubber(needles(TOKEN));
    expect(scrubber.push(Buffer.from('a ghp_01')).toString()).toBe('a ');
    expect(scrubber.push(Buffer.from('x')).toString()).toBe('ghp_01x');
    expect(scrubber.heldBytes).toBe(0);
  });

  it('is sent on as it is when the body ends', () => {
    expect(whole(`a ${TOKEN.slice(0, -1)}`, TOKEN)).toEqual({ text: `a ${TOKEN.slice(0, -1)}`, count: 0 });
  });

  it('gives way to a later beginning', () => {
    const scrubber = new Scrubber(needles('aaaaaaab', 'aaab-aaab-c'));
    expect(scrubber.push(Buffer.from('aaaaaaaaaaa')).toString()).toBe('aaaa');
    expect(scrubber.push(Buffer.from('b')).toString()).toBe('****');
    expect(scrubber.push(Buffer.from('-aaab-d')).toString()).toBe('****-aaab-d');
  });
});

describe('any split', () => {
  const text = `${'x'.repeat(120)}${TOKEN} {"a":"${encodeURIComponent(TOKEN)}"} ${Buffer.from(`:${TOKEN}`).toString('base64')} ghp_ ${TOKEN}${TOKEN}`;

  it.each([1, 2, 3, 5, 7, 16, 33, 34, 35, 64, 127])('into pieces of %i bytes gives the same', (bytes) => {
    const once = run(new Scrubber(needles(TOKEN)), text);
    expect(once.count).toBe(5);
    expect(run(new Scrubber(needles(TOKEN)), text, bytes)).toEqual(once);
  });

  it('at every place in a secret gives the same', () => {
    for (let at = 0; at <= TOKEN.length; at++) {
      const scrubber = new Scrubber(needles(TOKEN));
      const out = [
        scrubber.push(Buffer.from(`<${TOKEN.slice(0, at)}`)),
        scrubber.push(Buffer.from(`${TOKEN.slice(at)}>`)),
        scrubber.end(),
      ];
      expect(Buffer.concat(out).toString()).toBe(`<${'*'.repeat(TOKEN.length)}>`);
    }
  });
});

describe('several secrets', () => {
  it.each<[string, readonly string[], string, string, number]>([
    [
      'one the beginning of another',
      ['secret-one', 'secret-one-and-two'],
      '<secret-one-and-two>',
      '<******************>',
      1,
    ],
    [
      'one the beginning of another, the short alone',
      ['secret-one', 'secret-one-and-two'],
      '<secret-one-and-tw>',
      '<**********-and-tw>',
      1,
    ],
    ['one inside another', ['secret-one-and-two', 'one-and-'], '<secret-one-and-two>', '<******************>', 1],
    [
      'one inside another that does not end',
      ['secret-one-and-two', 'one-and-'],
      '<secret-one-and-tw',
      '<secret-********tw',
      1,
    ],
    ['overlapping', ['abcdefgh-ijkl', 'ijkl-mnopqrs'], '<abcdefgh-ijkl-mnopqrs>', '<*********************>', 1],
    ['overlapping with itself', ['abcabcabc'], '<abcabcabcabc>', '<************>', 1],
    ['side by side', ['abcdefgh-ijkl', 'mnopqrst'], '<abcdefgh-ijklmnopqrst>', '<*********************>', 2],
    ['the same twice', ['abcdefgh', 'abcdefgh'], 'abcdefgh.abcdefgh', '********.********', 2],
  ])('%s', (_name, values, text, expected, count) => {
    for (const pieceBytes of [1, 2, 3, 8, 1_000]) {
      expect(run(new Scrubber(needles(...values)), text, pieceBytes)).toEqual({ text: expected, count });
    }
  });
});

describe('the edges of a part', () => {
  const part = (text: string, pieceBytes: number, extent: Extent = 'part'): Run =>
    run(new Scrubber(needles(TOKEN), extent), text, pieceBytes);
  const end = (bytes: number): string => TOKEN.slice(-bytes);
  const stars = (count: number): string => '*'.repeat(count);
  const unicode = (text: string): string =>
    [...text].map((char) => `\\u00${Buffer.from(char).toString('hex')}`).join('');

  it.each<[string, string, string]>([
    ['an end of 8 bytes at the beginning', `${end(8)}, and so on`, `${stars(8)}, and so on`],
    ['an end of 7 bytes passes', `${end(7)}, and so on`, `${end(7)}, and so on`],
    ['an end of 33 bytes', `${end(33)}, and so on`, `${stars(33)}, and so on`],
    ['a beginning of 8 bytes at the end', 'and so on ghp_0123', `and so on ${stars(8)}`],
    ['a beginning of 7 bytes passes', 'and so on ghp_012', 'and so on ghp_012'],
    ['a beginning of 33 bytes', `and so on ${TOKEN.slice(0, 33)}`, `and so on ${stars(33)}`],
    ['both edges', `${end(10)} - ${TOKEN.slice(0, 12)}`, `${stars(10)} - ${stars(12)}`],
    ['the middle alone', TOKEN.slice(5, 20), stars(15)],
    ['the middle alone, 8 bytes', TOKEN.slice(5, 13), stars(8)],
    ['the middle alone, 7 bytes, passes', TOKEN.slice(5, 12), TOKEN.slice(5, 12)],
    ['the whole', TOKEN, stars(TOKEN.length)],
    ['an end that is not at the beginning passes', `.${end(20)}, and so on`, `.${end(20)}, and so on`],
    ['an end in JSON escapes, cut within one', `04b${unicode('LMNOPQRST')}.`, `${stars(57)}.`],
    ['an end in JSON escapes, cut after a backslash', `u004b${unicode('LMNOPQRST')}.`, `${stars(59)}.`],
    ['a beginning in JSON escapes, cut within one', `, ${unicode('ghp_01234')}\\u00`, `, ${stars(58)}`],
    ['an escaped end, cut within an escape', `7%6b%4c%4d%4e%4f%50%51%52%53%54.`.slice(2), `${stars(29)}.`],
    ['an end after as much as an escape can leave', `${'"'.repeat(15)}${end(8)}.`, `${stars(23)}.`],
    ['an end after more than that passes', `${'"'.repeat(16)}${end(8)}.`, `${'"'.repeat(16)}${end(8)}.`],
    ['nothing of it', 'and so on', 'and so on'],
    ['nothing at all', '', ''],
  ])('%s', (_name, text, expected) => {
    for (const pieceBytes of [1, 2, 5, 9, 1_000]) expect(part(text, pieceBytes).text).toBe(expected);
  });

  it('are searched in base64 and hex, too', () => {
    const coded = Buffer.from(TOKEN).toString('base64').slice(0, 45);
    expect(part(`${coded.slice(12)}. ${coded.slice(0, 20)}`, 1_000).text).toBe(`${stars(33)}. ${stars(20)}`);
    const digits = Buffer.from(TOKEN).toString('hex');
    expect(part(`${digits.slice(13)}. ${digits.slice(0, 21)}`, 3).text).toBe(`${stars(55)}. ${stars(21)}`);
  });

  it('are not searched in a whole body', () => {
    const text = `${end(20)} - ${TOKEN.slice(0, 20)}`;
    expect(part(text, 1_000, 'whole').text).toBe(text);
  });

  it('hold back no more than the pieces', () => {
    const scrubber = new Scrubber(needles(TOKEN), 'part');
    expect(scrubber.push(Buffer.from('hijKLM')).toString()).toBe('');
    expect(scrubber.push(Buffer.from('.')).toString()).toBe('hijKLM.');
    const bytes = Buffer.from(`${TOKEN.slice(-20)}.`);
    expect(scrubber.push(bytes)).toBe(bytes);
  });
});

describe('pieces anywhere', () => {
  const made = needlesOf([TOKEN], 'pieces');

  it.each<[string, string, string, number]>([
    ['the whole', `<${TOKEN}>`, `<${'*'.repeat(TOKEN.length)}>`, 1],
    ['the middle', `<${TOKEN.slice(5, 13)}>`, '<********>', 1],
    ['7 bytes pass', `<${TOKEN.slice(5, 12)}>`, `<${TOKEN.slice(5, 12)}>`, 0],
    ['many', `<${TOKEN.slice(0, 9)}>\r\n--x\r\n<${TOKEN.slice(9, 25)}>`, `<*********>\r\n--x\r\n<****************>`, 2],
    ['escaped', `<${encodeURIComponent(TOKEN.slice(4, 14)).replaceAll('5', '%35')}>`, '<************>', 1],
    ['base64', `<${Buffer.from(TOKEN).toString('base64').slice(3, 14)}>`, '<***********>', 1],
    ['hex', `<${Buffer.from(TOKEN).toString('hex').slice(3, 19)}>`, '<****************>', 1],
    ['less of base64 and hex passes', '<Z2hwXzAxMj> <6768705f3031323>', '<Z2hwXzAxMj> <6768705f3031323>', 0],
  ])('%s', (_name, text, expected, count) => {
    if (made === null) throw new Error('nothing to look for');
    for (const pieceBytes of [1, 3, 8, 1_000]) {
      expect(run(new Scrubber(made), text, pieceBytes)).toEqual({ text: expected, count });
    }
  });
});

describe('a secret of 64 KiB', () => {
  const long = Array.from({ length: 8_192 }, (_none, index) => index.toString(36).padStart(8, '-')).join('');

  it('is masked in pieces of any size', () => {
    for (const pieceBytes of [100, 1_000, 65_536]) {
      const { text, count } = run(new Scrubber(needles(long)), `<${long}>`, pieceBytes);
      expect([text === `<${'*'.repeat(long.length)}>`, count]).toEqual([true, 1]);
    }
  });
});
