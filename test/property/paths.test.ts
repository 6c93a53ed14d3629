import fc from 'fast-check';
import micromatch from 'micromatch';
import { describe, expect, it } from 'vitest';
import { compilePaths, pathMatches } from '../../src/policy/path-patterns.ts';
import { readPath } from '../../src/policy/paths.ts';

/** Paths of whatever a client may send, made mostly of what is dangerous. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '/',
        '//',
        '.',
        '..',
        '%2e',
        '%2F',
        '%5c',
        '%25',
        '%',
        '%0',
        ';',
        '\\',
        '%c0%af',
        '%41',
        '%7E',
        '*',
      ),
      fc.string({ unit: 'binary-ascii', maxLength: 4 }),
      fc.integer({ min: 0, max: 255 }).map((byte) => `%${byte.toString(16).padStart(2, '0')}`),
    ),
    { maxLength: 12 },
  )
  .map((parts) => `/${parts.join('')}`);

describe('the canonical reading of a path', () => {
  it('is total, and reading it again changes nothing', () => {
    fc.assert(
      fc.property(hostile, (path) => {
        const reading = readPath(path);
        if (reading.ambiguous !== null) return;
        expect(readPath(reading.text)).toEqual(reading);
      }),
      { numRuns: 3_000 },
    );
  });

  it('is the same resource as the path that leaves: both decode to the same bytes', () => {
    const bytes = (text: string): string =>
      text.replaceAll(/%([0-9A-Fa-f]{2})/g, (_escape, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
    fc.assert(
      fc.property(hostile, (path) => {
        const { text, ambiguous } = readPath(path);
        if (ambiguous === null) expect(bytes(text)).toBe(bytes(path));
      }),
      { numRuns: 3_000 },
    );
  });

  it('lets nothing through that a URL parser, or one that decodes first, resolves to another path', () => {
    fc.assert(
      fc.property(hostile, (path) => {
        const { text, ambiguous, decoded } = readPath(path);
        if (ambiguous !== null) return;
        // A URL parser resolves dot segments and backslashes, and escapes what no path may have unescaped.
        expect(readPath(new URL(`http://h${path}`).pathname).text).toBe(text);
        expect(decoded).not.toMatch(/\/\/|\/\.{1,2}(?:\/|$)|\\/);
      }),
      { numRuns: 3_000 },
    );
  });
});

/** The options of DESIGN.md section 10, under which micromatch has no syntax but the stars. */
const OPTIONS = { dot: true, nobrace: true, noextglob: true, nonegate: true, nobracket: true, strictSlashes: true };

/**
 * micromatch as the oracle, with the two differences that the contract makes: `/a/**` includes `/a` (SEMANTICS.md 4), and a leading
 * `/**` may be no segment at all, as it may anywhere else (with its slash in front micromatch wants one; without it, it does not).
 */
function oracle(path: string, pattern: string): boolean {
  if (micromatch.isMatch(path.slice(1), pattern.slice(1), OPTIONS)) return true;
  return pattern.endsWith('/**') && pattern.length > 3 && oracle(path, pattern.slice(0, -3));
}

const segment = fc
  .string({ unit: fc.constantFrom('a', 'b', '.', '-'), minLength: 1, maxLength: 3 })
  .filter((text) => !/^\.{1,2}$/.test(text));
const starred = fc.oneof(
  { weight: 3, arbitrary: segment },
  { weight: 2, arbitrary: fc.constantFrom('*', '**') },
  { weight: 2, arbitrary: fc.tuple(segment, segment).map(([one, other]) => `${one}*${other}`) },
  { weight: 1, arbitrary: fc.constantFrom('*a', 'a*', '*a*', 'a*b*a', '*.b') },
);
const joined = (parts: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(fc.array(parts, { minLength: 1, maxLength: 6 }), fc.constantFrom('', '/'))
    .map(([list, end]) => `/${list.join('/')}${end}`);

describe('path patterns', () => {
  it('match what micromatch matches, but for the two documented differences', () => {
    fc.assert(
      fc.property(joined(starred), joined(segment), (pattern, path) => {
        expect(pathMatches(compilePaths([pattern], 'allow'), path)).toBe(oracle(path, pattern));
      }),
      { numRuns: 4_000 },
    );
  });

  it('several match what one of them matches', () => {
    fc.assert(
      fc.property(fc.array(joined(starred), { maxLength: 4 }), joined(segment), (patterns, path) => {
        const each = patterns.some((pattern) => pathMatches(compilePaths([pattern], 'allow'), path));
        expect(pathMatches(compilePaths(patterns, 'allow'), path)).toBe(each);
      }),
    );
  });
});
