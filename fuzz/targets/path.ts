import { compilePaths, pathMatches } from '../../src/policy/path-patterns.ts';
import { readPath } from '../../src/policy/paths.ts';
import { holds, same, type Target } from '../target.ts';

const PATTERNS = compilePaths(['/a/**', '/b/*', '/c'], 'allow');

/** The canonical reading of a path: stable, and the one that servers and URL parsers have. */
export const target: Target = {
  name: 'path',
  seeds: [
    '/',
    '/a/b.c',
    '/a/../b',
    '/a/%2e%2e/b',
    '/a//b',
    '/a\\b',
    '/a%5cb',
    '/a%2Fb',
    '/a%2f..%2fb',
    '/a%252Fb',
    '/a%25%32%46b',
    '/a;b=c/d',
    '/a%3Bb',
    '/a%00b',
    '/a%0a',
    '/a%zz',
    '/a%c0%afb',
    '/a%e0%80%af',
    '/%41%7e',
    '/a/b%c3%a9',
    '/"<>[]^`{|}',
    '/a:b@c!$&()*+,=',
    '/a/.',
    '/a/..',
    '/.a/..b',
    '*',
    'a/b',
    '',
  ],
  dictionary: [
    '/',
    '//',
    '.',
    '..',
    '/../',
    '%2e',
    '%2E',
    '%2f',
    '%5c',
    '%25',
    '%',
    ';',
    '\\',
    '%00',
    '%c0%af',
    '%3b',
    '%41',
    '*',
    '?',
    '#',
  ],
  bytesMax: 200,
  check(input) {
    const path = input.toString('latin1');
    const reading = readPath(path);
    if (reading.ambiguous !== null) return;
    const { text, decoded, encodedSlash } = reading;
    same('the canonical text is its own reading', readPath(text), reading);
    same('the resource is the one that leaves', bytesOf(text), bytesOf(path));
    same('an encoded slash is seen', encodedSlash, /%2f/i.test(path));
    holds(
      'escapes are in upper case, and none is of an unreserved character',
      !/%(?:[0-9A-F]?[a-f]|2D|2E|5F|7E|3[0-9]|[46][1-9A-F]|[57][0-9A])/.test(text),
    );
    for (const each of [text, decoded]) holds('no dot segment is left', !/(?:^|\/)\.{1,2}(?:\/|$)/.test(each));
    holds('no empty segment is left', !decoded.includes('//'));
    if (path === '*') return;
    const server = new URL(`http://a.test${path}`);
    same('a URL parser resolves it to itself', readPath(server.pathname).text, text);
    same('nothing of it is a query or fragment', server.search + server.hash, '');
    same(
      'a pattern sees the same in both',
      pathMatches(PATTERNS, readPath(server.pathname).text),
      pathMatches(PATTERNS, text),
    );
  },
};

/** What a server has after decoding once. */
const bytesOf = (text: string): string =>
  text.replaceAll(/%([0-9A-Fa-f]{2})/g, (_escape, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
