import { describe, expect, it } from 'vitest';
import { compilePaths, type Element, pathMatches, segmentsMatch } from '../../../src/policy/path-patterns.ts';
import { readPath } from '../../../src/policy/paths.ts';

const matches = (pattern: string, path: string): boolean => pathMatches(compilePaths([pattern], 'allow'), path);

describe('a pattern', () => {
  it.each([
    ['/a', '/a', true],
    ['/a', '/a/', false],
    ['/a/', '/a', false],
    ['/a', '/A', false],
    ['/', '/', true],
    ['/*', '/a', true],
    ['/*', '/', false],
    ['/*', '/.a', true],
    ['/a/*', '/a/b', true],
    ['/a/*', '/a/', false],
    ['/a/*', '/a/b/', false],
    ['/a/*', '/a/b/c', false],
    ['/a/*/', '/a/b/', true],
    ['/a/*.js', '/a/x.js', true],
    ['/a/*.js', '/a/.js', true],
    ['/a/v*/x', '/a/v/x', true],
    ['/a/v*/x', '/a/v/1/x', false],
    ['/a/*-*-*', '/a/1-2-3', true],
    ['/a/*-*-*', '/a/1-2', false],
    ['/a/**', '/a', true],
    ['/a/**', '/a/', true],
    ['/a/**', '/a/b/c', true],
    ['/a/**', '/ab', false],
    ['/a/**', '/b/a', false],
    ['/**', '/', true],
    ['/**', '/a/b/', true],
    ['/**', '*', false],
    ['/a/**/b', '/a/b', true],
    ['/a/**/b', '/a/x/y/b', true],
    ['/a/**/b', '/a/x/y/b/', false],
    ['/a/**/b', '/a/xb', false],
    ['/**/b/**/c', '/b/b/c/b/c', true],
    ['/**/b/**/c', '/c/b', false],
    ['/*/x/**', '/a/x', true],
    ['/*/x/**', '//x/y', false],
    ['/repos/acme/**', '/repos/acme-evil/x', false],
  ])('%s and %s: %s', (pattern, path, expected) => {
    expect(matches(pattern, path)).toBe(expected);
  });

  it('is compared in canonical spelling', () => {
    expect(matches('/%7euser/%e9/*', '/~user/%E9/x')).toBe(true);
    expect(matches('/a%2fb', '/a%2Fb')).toBe(true);
  });

  it('knows no other syntax: every other character is itself', () => {
    for (const text of ['/a?', '/[ab]', '/{a,b}', '/!(a)', '/a+', '/a.b', '/(a|b)', '/^a$']) {
      expect(matches(text, readPath(text).text), text).toBe(true);
      expect(matches(text, '/a'), text).toBe(false);
      expect(matches(text, '/axb'), text).toBe(false);
    }
  });
});

/** Elements that count how often one of them is compared. */
function counted(elements: readonly Element[]): { readonly elements: readonly Element[]; comparisons(): number } {
  let count = 0;
  const counting = elements.map((element) => {
    return {
      ...element,
      get kind() {
        count++;
        return element.kind;
      },
    } as Element;
  });
  return { elements: counting, comparisons: () => count };
}

describe('no path can make matching slow', () => {
  const element = (text: string): Element => (text === '**' ? { kind: 'deep' } : { kind: 'text', text });

  it.each([
    ['many stars, never the end', '/**/a/**/a/**/a/**/a/**/a/**/b', 'a/'],
    ['a long run after one star', '/**/a/a/a/a/a/a/a/a/a/a/b', 'a/'],
    ['a star that always almost fits', '/**/a/b/**/a/b/c', 'a/b/'],
  ])('%s: at most three looks for each element and segment', (_what, pattern, piece) => {
    const segments = piece.repeat(2_000).split('/');
    const { elements, comparisons } = counted(pattern.slice(1).split('/').map(element));
    expect(segmentsMatch(elements, segments)).toBe(false);
    expect(comparisons()).toBeLessThanOrEqual(3 * elements.length * segments.length);
    expect(comparisons()).toBeGreaterThan(segments.length);
  });

  it('within a segment each piece is looked for once', () => {
    const many = `/${'*a'.repeat(1_000)}*b`;
    expect(matches(many, `/${'a'.repeat(60_000)}`)).toBe(false);
    expect(matches(many, `/${'a'.repeat(60_000)}b`)).toBe(true);
  });
});
