import { describe, expect, it } from 'vitest';
import { readPath } from '../../../src/policy/paths.ts';

describe('a path that every server reads in one way', () => {
  it.each([
    ['/', '/'],
    ['*', '*'],
    ['/repos/acme/web-1.0_x~y', '/repos/acme/web-1.0_x~y'],
    ["/a!$&'()+,=:@b", "/a!$&'()+,=:@b"],
    ['/a/', '/a/'],
    ['/.well-known/x', '/.well-known/x'],
    ['/..a/.../b..', '/..a/.../b..'],
    ['/%41%7a%30%2D%5F%7e', '/Az0-_~'],
    ['/%c3%a9', '/%C3%A9'],
    ['/a%20b%3f%23', '/a%20b%3F%23'],
    ['/100%25', '/100%25'],
    ['/50%25off', '/50%25off'],
    ['/%E0%A4%B9/%F0%9F%98%80', '/%E0%A4%B9/%F0%9F%98%80'],
    ['/%C0', '/%C0'],
    ['/%e9t%e9', '/%E9t%E9'],
    ['/a|b"c', '/a%7Cb%22c'],
    ['/{a}[b]<c>^`', '/%7Ba%7D%5Bb%5D%3Cc%3E%5E%60'],
  ])('%s', (path, text) => {
    expect(readPath(path)).toEqual({ text, ambiguous: null, encodedSlash: false, decoded: text, bare: text });
  });

  it.each([
    ['/a%2fb', '/a%2Fb', '/a/b'],
    ['/a%2F', '/a%2F', '/a/'],
    ['/%2fa%2Fb', '/%2Fa%2Fb', null],
  ])('an encoded slash is noticed and read in both ways: %s', (path, text, decoded) => {
    const reading = readPath(path);
    expect(reading).toMatchObject({ text, encodedSlash: true });
    if (decoded === null) expect(reading.ambiguous).toBe('has an empty segment');
    else expect(reading).toMatchObject({ decoded, ambiguous: null });
  });
});

describe('a path that only a server reads differently that decodes before it routes', () => {
  it.each([
    ['/x%3adelete', '/x%3Adelete', '/x:delete'],
    ['/%21%24%26%27%28%29%2b%2c%3d%40', '/%21%24%26%27%28%29%2B%2C%3D%40', "/!$&'()+,=@"],
    ['/a%3bb', '/a%3Bb', '/a;b'],
    ['/a*b%2a', '/a*b%2A', '/a%2Ab%2A'],
    ['/a%20%3f%23%25', '/a%20%3F%23%25', '/a%20%3F%23%25'],
  ])('%s', (path, text, decoded) => {
    expect(readPath(path)).toMatchObject({ text, ambiguous: null, encodedSlash: false, decoded });
  });
});

describe('a path that servers read in different ways', () => {
  it.each([
    ['/a/../b', 'has a dot segment'],
    ['/a/./b', 'has a dot segment'],
    ['/..', 'has a dot segment'],
    ['/a/.', 'has a dot segment'],
    ['/a//b', 'has an empty segment'],
    ['//a', 'has an empty segment'],
    ['/a//', 'has an empty segment'],
    ['/a\\b', 'has a backslash'],
    ['/a%5Cb', 'has an encoded backslash'],
    ['/a%5c..', 'has an encoded backslash'],
    ['/%2e%2e/b', 'has an encoded dot'],
    ['/a%2E', 'has an encoded dot'],
    ['/a%00', 'has an encoded control byte'],
    ['/a%0d%0aX', 'has an encoded control byte'],
    ['/a%7F', 'has an encoded control byte'],
    ['/a%252e', 'is encoded twice'],
    ['/a%25%32%65', 'is encoded twice'],
    ['/a%2%35%32f', 'has a bad escape'],
    ['/a%', 'has a bad escape'],
    ['/a%4', 'has a bad escape'],
    ['/a%4g', 'has a bad escape'],
    ['/a%u002f', 'has a bad escape'],
    ['/%c0%af', 'has overlong UTF-8'],
    ['/%C1%81', 'has overlong UTF-8'],
    ['/%e0%80%af', 'has overlong UTF-8'],
    ['/%f0%80%80%af', 'has overlong UTF-8'],
    ['/%f8%80%80%80%af', 'has overlong UTF-8'],
    ['/%fc%80%80%80%80%af', 'has overlong UTF-8'],
    ['/a;b', 'has ";" parameters'],
    ['/..;/b', 'has ";" parameters'],
    ['/a b', 'has a space or control character'],
    ['/a\u007f', 'has a space or control character'],
    ['/a\u0000', 'has a space or control character'],
    ['/caf\u00e9', 'has bytes that are not ASCII'],
    ['/\u00c0\u00af', 'has bytes that are not ASCII'],
    ['/a#b', 'has "#" or "?"'],
    ['/a?b', 'has "#" or "?"'],
    ['', 'does not begin with a slash'],
    ['a/b', 'does not begin with a slash'],
    ['**', 'does not begin with a slash'],
    ['/a/..%2fb', 'has a dot segment'],
    ['/a%2f../b', 'has a dot segment'],
    ['/a%2f%2fb', 'has an empty segment'],
    ['/a/..%3b/b', 'has a dot segment'],
    ['/a/.%3Bx=y', 'has a dot segment'],
    ['/%3bx/b', 'has an empty segment'],
  ])('%s', (path, problem) => {
    expect(readPath(path).ambiguous).toBe(problem);
  });

  it.each([
    ['/a%3bx/b', '/a;x/b', '/a/b'],
    ['/a%3B', '/a;', '/a'],
    ['/a%3Bx=%3B/b%3By', '/a;x=;/b;y', '/a/b'],
    ['/a%2Ab%3Bx', '/a%2Ab;x', '/a%2Ab'],
  ])('an encoded parameter is read with and without it: %s', (path, decoded, bare) => {
    expect(readPath(path)).toMatchObject({ ambiguous: null, decoded, bare });
  });

  it('is read in one pass, however long', () => {
    expect(readPath(`/${'%41'.repeat(20_000)}`).text).toBe(`/${'A'.repeat(20_000)}`);
    expect(readPath(`/${'%'.repeat(60_000)}`).ambiguous).toBe('has a bad escape');
  });
});
