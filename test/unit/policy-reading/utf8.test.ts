import { describe, expect, it } from 'vitest';
import { decodeUtf8 } from '../../../src/policy/reading/utf8.ts';

const decode = (...parts: readonly (string | readonly number[])[]) =>
  decodeUtf8(
    Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Uint8Array.from(part)))),
    'f.yaml',
  );

describe('the bytes of a file', () => {
  it('are its text, byte order mark and all, so that its hash is that of the bytes', () => {
    expect(decode('version: 1 # ü\u{1f600}\n')).toEqual({ ok: true, text: 'version: 1 # ü\u{1f600}\n' });
    expect(decode([0xef, 0xbb, 0xbf], 'a')).toEqual({ ok: true, text: '\ufeffa' });
    expect(decode()).toEqual({ ok: true, text: '' });
  });

  it.each([
    [[0xff], 'a lone byte'],
    [[0xc0, 0xaf], 'an overlong slash'],
    [[0xed, 0xa0, 0x80], 'a surrogate'],
    [[0xf4, 0x90, 0x80, 0x80], 'beyond Unicode'],
    [[0xe2, 0x82], 'cut short'],
  ])('that are not UTF-8 are refused at their place: %j, %s', (bytes) => {
    expect(decode('version: 1\nü: ', bytes, '\n')).toEqual({
      ok: false,
      finding: {
        level: 'error',
        place: { file: 'f.yaml', line: 2, column: 4 },
        path: '',
        text: 'is not UTF-8 from here on; save the file as UTF-8',
      },
    });
  });

  it('that are UTF-16 are called so', () => {
    const why = { ok: false, finding: { text: 'is UTF-16; save the file as UTF-8', place: { line: 1, column: 1 } } };
    expect(decode([0xff, 0xfe, 0x61, 0x00])).toMatchObject(why);
    expect(decode([0xfe, 0xff, 0x00, 0x61])).toMatchObject(why);
  });
});
