import { describe, expect, it } from 'vitest';
import { type SuffixKind, suffixKind } from '../../../src/address/public-suffix.ts';

const KINDS: readonly (readonly [SuffixKind, readonly string[]])[] = [
  ['registry', ['com', 'co.uk', 'uk', 'kawasaki.jp', 'foo.ck', 'dev', 'a-name-nobody-registered', 'lan']],
  ['shared', ['github.io', 'googleapis.com', 'blob.core.windows.net', 's3.amazonaws.com', 'vercel.app']],
  ['owned', ['example.com', 'example.co.uk', 'amazonaws.com', 'foo.github.io', 'www.ck', 'city.kawasaki.jp']],
  ['owned', ['internal', 'svc.cluster.local', 'local', 'localhost', 'home.arpa', 'corp', 'test', 'a.test']],
];

describe('what a wildcard below a suffix covers', () => {
  for (const [kind, suffixes] of KINDS) {
    it.each(suffixes.map((suffix) => [suffix]))(`is ${kind}: %s`, (suffix) => {
      expect(suffixKind(suffix)).toBe(kind);
    });
  }
});
