import { describe, expect, it } from 'vitest';
import { TokenIndex, tokenIndexOf } from '../../../src/inject/tokens.ts';

const indexOf = (...tokens: readonly string[]): TokenIndex =>
  new TokenIndex(tokens.map((token) => ({ token, misplaced: 'deny' })));

describe('a token is found', () => {
  const index = indexOf('PSTRN-GITHUB-0001', 'PSTRN-OPENAI-000002', 'abcdefghijkl');

  it.each([
    ['alone', 'PSTRN-GITHUB-0001', 'PSTRN-GITHUB-0001', 0],
    ['at the end', `${'x'.repeat(1000)}abcdefghijkl`, 'abcdefghijkl', 1000],
    ['after a beginning of itself', 'PSTRN-GITHUB-PSTRN-GITHUB-0001', 'PSTRN-GITHUB-0001', 13],
    ['after a beginning of another', 'PSTRN-OPENAI-00000PSTRN-GITHUB-0001', 'PSTRN-GITHUB-0001', 18],
    ['in a longer word', 'xPSTRN-OPENAI-000002x', 'PSTRN-OPENAI-000002', 1],
    ['the first of two', 'abcdefghijkl PSTRN-GITHUB-0001', 'abcdefghijkl', 0],
    ['beside text that is not ASCII', 'éабвPSTRN-GITHUB-0001ü', 'PSTRN-GITHUB-0001', 4],
  ])('%s', (_where, text, token, start) => {
    expect(index.find(text)).toEqual({ token, start });
  });

  it('again from where the last one ended', () => {
    const text = 'abcdefghijklabcdefghijkl';
    expect(index.find(text, 1)).toEqual({ token: 'abcdefghijkl', start: 12 });
    expect(index.find(text, 13)).toBeNull();
  });

  it.each(['', 'abcdefghijk', 'bcdefghijkl', 'ABCDEFGHIJKL', 'PSTRN-GITHUB-0002'])('not in %j', (text) => {
    expect(index.find(text)).toBeNull();
  });
});

describe('ten thousand tokens', () => {
  it('with one beginning are each found, and told apart from what only begins like one', () => {
    const tokens = Array.from({ length: 10_000 }, (_, position) => `PSTRN-VM-${String(position).padStart(6, '0')}`);
    const index = indexOf(...tokens);
    for (const token of [tokens[0], tokens[4_711], tokens[9_999]]) {
      expect(index.find(`Bearer ${token}`)).toEqual({ token, start: 7 });
    }
    expect(index.find('PSTRN-VM-010000')).toBeNull();
  });
});

it('the index of a policy is made once, and none is made without tokens', () => {
  const tokens = [{ token: 'abcdefghijkl', misplaced: 'pass' }] as const;
  expect(tokenIndexOf(tokens)).toBe(tokenIndexOf(tokens));
  expect(tokenIndexOf(tokens)?.misplaced('abcdefghijkl')).toBe('pass');
  expect(tokenIndexOf([])).toBeNull();
});
