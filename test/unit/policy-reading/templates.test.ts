import { describe, expect, it } from 'vitest';
import { parseTemplate } from '../../../src/policy/reading/templates.ts';

describe('a value with secrets', () => {
  it.each([
    ['${github}', [{ secret: 'github' }]],
    ['Bearer ${github}', ['Bearer ', { secret: 'github' }]],
    ['${a}${b}', [{ secret: 'a' }, { secret: 'b' }]],
    ['${a}:${b}!', [{ secret: 'a' }, ':', { secret: 'b' }, '!']],
    ['$$${a}', ['$', { secret: 'a' }]],
    ['$${a}', ['${a}']],
    ['a$$b$$', ['a$b$']],
    ['${a-b_C9}', [{ secret: 'a-b_C9' }]],
    ['', []],
  ])('is read: %s', (text, template) => {
    expect(parseTemplate(text, 'field')).toMatchObject({ ok: true, template });
  });

  it('names its secrets in order', () => {
    expect(parseTemplate('${a} ${b} ${a}', 'field')).toMatchObject({ secrets: ['a', 'b', 'a'] });
  });

  it.each([
    ['$', 'is a lone "$"'],
    ['a$', 'has a "$" that is neither'],
    ['$a', 'has a "$" that is neither'],
    ['cost: $5', 'has a "$" that is neither'],
    ['$(a)', 'has a "$" that is neither'],
    ['${a', 'has a "${" without its "}"'],
    ['${', 'has a "${" without its "}"'],
    ['${}', 'is not the name of a secret'],
    ['${a b}', 'is not the name of a secret'],
    ['${a.b}', 'is not the name of a secret'],
    ['${a:-b}', 'is not the name of a secret'],
    ['${ a }', 'is not the name of a secret'],
    ['${9}', 'is not the name of a secret'],
    ['${${a}}', 'is not the name of a secret'],
    [`\${${'a'.repeat(65)}}`, 'is not the name of a secret'],
    [`\${${'a'.repeat(1_000)}}`, 'has a "${" without its "}"'],
  ])('is refused: %s', (text, why) => {
    expect(parseTemplate(text, 'field')).toMatchObject({ ok: false, why: expect.stringContaining(why) });
  });

  it.each([
    ['field', 'a\r\nX-Evil: 1 ${a}', 'a\tb ${a}', 'ü${a}'],
    ['cookie', '${a};b', '${a} b', '"${a}"', '${a},b', 'ü${a}'],
    ['query', '\0${a}', '${a}\n'],
    ['credentials', '${a}\n', '\x7f${a}'],
    ['placeholder', 'ü${a}', '${a}\n'],
  ] as const)('has only such literal parts as a %s can have', (use, ...texts) => {
    for (const text of texts)
      expect(parseTemplate(text, use)).toMatchObject({ ok: false, why: expect.stringMatching(/^has /) });
    expect(parseTemplate('x-${a}', use).ok).toBe(true);
  });
});
