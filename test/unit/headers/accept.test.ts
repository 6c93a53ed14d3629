import { describe, expect, it } from 'vitest';
import { prefersJson } from '../../../src/headers/accept.ts';
import { list } from '../../support/specs.ts';

describe('Accept', () => {
  it.each([
    ['application/json', true],
    ['APPLICATION/JSON; charset=utf-8', true],
    ['application/json, text/plain, */*', true],
    ['text/plain;q=0.5, application/json;q=0.6', true],
    ['text/html, application/json', true],
    ['*/*', false],
    ['text/*', false],
    ['text/plain, application/json', false],
    ['application/json;q=0.1, */*;q=0.2', false],
    ['application/json;q=0', false],
    ['application/json;q=x', false],
    ['application/json;q=2', false],
    ['application/jsonx', false],
    ['', false],
    [',,;;q=', false],
  ])('%j wants JSON: %s', (value, wanted) => {
    expect(prefersJson(list(['Accept', value]))).toBe(wanted);
  });

  it('of two lines counts as one of both, and without a line text is wanted', () => {
    expect(prefersJson(list(['Accept', 'text/plain;q=0.1'], ['accept', 'application/json']))).toBe(true);
    expect(prefersJson(list(['X-Accept', 'application/json']))).toBe(false);
  });
});
