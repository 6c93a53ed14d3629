import { describe, expect, it } from 'vitest';
import { needlesOf } from '../../../src/scrub/needles.ts';
import { Scrubber } from '../../../src/scrub/scrubber.ts';

const SECRET = 'ghp_a+b/c=d?e&f "g" é😀~z';
const BYTES = Buffer.from(SECRET, 'utf8');

const masked = (value: string, text: Buffer): string => {
  const needles = needlesOf([value]);
  if (needles === null) throw new Error('nothing to look for');
  const scrubber = new Scrubber(needles);
  return Buffer.concat([scrubber.push(text), scrubber.end()]).toString('latin1');
};

const stars = (text: string): string => '*'.repeat(Buffer.byteLength(text, 'utf8'));
const hex = (byte: number): string => byte.toString(16).padStart(2, '0');
const everyByte = (spell: (byte: number) => string): string => [...BYTES].map(spell).join('');
const everyUnit = (text: string, spell: (unit: number) => string): string =>
  Array.from({ length: text.length }, (_none, index) => spell(text.charCodeAt(index))).join('');
const unicode = (unit: number): string => `\\u${unit.toString(16).padStart(4, '0')}`;
const inJson = (text: string): string => JSON.stringify(text).slice(1, -1);
const asciiOnly = (text: string): string => text.replaceAll(/[^\x00-\x7f]/g, (unit) => unicode(unit.charCodeAt(0)));

/** What encoders make of the secret: nothing of it may be left. */
const FORMS: Readonly<Record<string, string>> = {
  'as it is': SECRET,
  encodeURIComponent: encodeURIComponent(SECRET),
  encodeURI: encodeURI(SECRET),
  'RFC 3986, upper case': everyByte((byte) =>
    /\w/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `%${hex(byte).toUpperCase()}`,
  ),
  'escapes in lower case': encodeURIComponent(SECRET).toLowerCase().replace('GHP', 'ghp'),
  'every byte escaped': everyByte((byte) => `%${hex(byte)}`),
  'every byte escaped, in upper case': everyByte((byte) => `%${hex(byte).toUpperCase()}`),
  'escapes of either case in turn': everyByte((byte) => `%${byte % 2 === 0 ? hex(byte) : hex(byte).toUpperCase()}`),
  'every other byte escaped': everyByte((byte) =>
    byte % 2 === 0 && byte < 0x80 ? String.fromCharCode(byte) : `%${hex(byte)}`,
  ),
  'form-urlencoded, a space as +': new URLSearchParams([['', SECRET]]).toString().slice(1),
  'percent-encoded twice': encodeURIComponent(encodeURIComponent(SECRET)),
  'JSON.stringify': inJson(SECRET),
  'JSON with \\/': inJson(SECRET).replaceAll('/', '\\/'),
  'JSON in ASCII': asciiOnly(inJson(SECRET)),
  'JSON, every character escaped': everyUnit(SECRET, unicode),
  'JSON, every character escaped in upper case': everyUnit(SECRET, (unit) =>
    unicode(unit).toUpperCase().replace('U', 'u'),
  ),
  'JSON in JSON': inJson(inJson(SECRET)),
  'JSON with \\/ in JSON with \\/': inJson(inJson(SECRET).replaceAll('/', '\\/')).replaceAll('/', '\\/'),
  'JSON in ASCII in JSON': inJson(asciiOnly(inJson(SECRET))),
  'a URL in JSON with \\/': encodeURI(SECRET).replaceAll('/', '\\/'),
  hex: BYTES.toString('hex'),
  'hex in upper case': BYTES.toString('hex').toUpperCase(),
  'latin1 read as characters': Buffer.from(BYTES.toString('latin1'), 'utf8').toString('utf8'),
  'latin1 read as characters, JSON in ASCII': asciiOnly(inJson(BYTES.toString('latin1'))),
};

describe('a secret is masked', () => {
  it.each(Object.entries(FORMS))('%s', (_name, form) => {
    const text = Buffer.from(`{"a": "${form}"} and on`, 'utf8');
    expect(masked(SECRET, text)).toBe(`{"a": "${stars(form)}"} and on`);
  });

  it.each(Object.entries(FORMS))('%s, far into a long text at any place within a word', (_name, form) => {
    for (let before = 200; before < 216; before++) {
      const text = Buffer.from(`${'.'.repeat(before)}${form}${'.'.repeat(200)}`, 'utf8');
      expect(masked(SECRET, text)).toBe(`${'.'.repeat(before)}${stars(form)}${'.'.repeat(200)}`);
    }
  });
});

describe('base64', () => {
  const CODINGS = ['base64', 'base64url'] as const;
  const VALUES = ['12345678', 'hunter2-and-more', SECRET, '>>>???>>>???~~~'];

  it.each(CODINGS)('%s at every offset leaves no character that is the secret alone', (coding) => {
    for (const value of VALUES) {
      for (let before = 0; before < 7; before++) {
        for (let after = 0; after < 4; after++) {
          const whole = Buffer.concat([Buffer.alloc(before, 'u'), Buffer.from(value), Buffer.alloc(after, 'v')]);
          const coded = whole.toString(coding);
          const first = Math.ceil((before * 8) / 6);
          const last = Math.floor(((before + Buffer.byteLength(value)) * 8) / 6);
          const expected = coded.slice(0, first) + '*'.repeat(last - first) + coded.slice(last);
          expect(masked(value, Buffer.from(coded))).toBe(expected);
        }
      }
    }
  });

  it('is found as the password of Basic, whatever the user', () => {
    for (const user of ['', 'x', 'xy', 'x-access-token']) {
      const coded = Buffer.from(`${user}:hunter2-and-more`).toString('base64');
      expect(masked('hunter2-and-more', Buffer.from(`Basic ${coded}`))).toMatch(/\*{20}/);
    }
  });

  it.each([
    ['JSON with \\/', (coded: string) => coded.replaceAll('/', '\\/')],
    ['a parameter', encodeURIComponent],
    ['a parameter of a parameter', (coded: string) => encodeURIComponent(encodeURIComponent(coded))],
    ['JSON that escapes +', (coded: string) => coded.replaceAll('+', '\\u002b').replaceAll('/', '\\u002F')],
  ])('is found in %s', (_name, encode) => {
    const coded = encode(Buffer.from('>>>???>>>???~~~').toString('base64'));
    expect(masked('>>>???>>>???~~~', Buffer.from(coded))).toBe('*'.repeat(coded.length));
  });
});

describe('a secret that has the characters of escapes', () => {
  const VALUES = [
    'a%41b%42c%',
    '%25%25%25%25',
    'back\\slash\\n',
    '\\\\\\\\\\\\\\\\',
    'both%5c\\u0041',
    'pem\\nline\nend"%2f',
  ];
  const ENCODERS: readonly ((text: string) => string)[] = [
    (text) => text,
    encodeURIComponent,
    (text) => encodeURIComponent(encodeURIComponent(text)),
    inJson,
    (text) => inJson(inJson(text)),
    (text) => everyUnit(text, unicode),
    (text) => encodeURIComponent(text).toLowerCase(),
  ];

  it.each(VALUES)('%j is found as it is and however it is escaped', (value) => {
    for (const encode of ENCODERS) {
      const form = encode(value);
      expect(masked(value, Buffer.from(`<${form}>`))).toBe(`<${'*'.repeat(form.length)}>`);
    }
  });
});

describe('what is not the secret', () => {
  it.each([
    ['hunter2-and-mors', 'one character less'],
    ['Hunter2-and-more', 'another case'],
    ['hunter2%2Dand-mor%66', 'another escape'],
    ['68756e746572322d616e642d6d6f7265'.replace('6d', '6c'), 'other hex digits'],
  ])('%s passes (%s)', (text) => {
    expect(masked('hunter2-and-more', Buffer.from(text))).toBe(text);
  });
});
