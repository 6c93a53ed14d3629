import { describe, expect, it } from 'vitest';
import type { ValueSpec } from '../../../src/policy/model.ts';
import { queryTruth, readQuery } from '../../../src/policy/query.ts';
import { compileConditions } from '../../../src/policy/value.ts';

function truthOf(query: string | null, value: ValueSpec, name = 'ref'): string {
  const [condition] = compileConditions([{ name, value }], (text) => text);
  if (condition === undefined) throw new Error('no condition');
  return queryTruth(condition, readQuery(query));
}

describe('a query condition', () => {
  it.each([
    ['ref=main', 'yes'],
    ['a=1&ref=main&b=2', 'yes'],
    ['%72%65f=m%61in', 'yes'],
    ['&&ref=main&', 'yes'],
    ['ref=Main', 'no'],
    ['ref=main%20', 'no'],
    ['ref=', 'no'],
    ['ref', 'no'],
    ['Ref=main', 'no'],
    ['xref=main', 'no'],
    ['', 'no'],
    [null, 'no'],
    ['ref=main&ref=main', 'doubt'],
    ['ref=main&ref', 'doubt'],
    ['ref=main&re%66=x', 'doubt'],
    ['ref=main;a=1', 'doubt'],
    ['a=1;ref=main', 'doubt'],
    [';', 'doubt'],
    ['ref=main&%=1', 'doubt'],
    ['ref=main&%ff=1', 'doubt'],
    ['ref=main&a%00b=1', 'doubt'],
    ['ref=mai%n', 'doubt'],
    ['ref=%ff', 'doubt'],
    ['ref=main%00', 'doubt'],
    ['ref=ma\u00efn', 'doubt'],
    ['ref=main&a=%zz', 'yes'],
  ])('exactly "main" and %j: %s', (query, expected) => {
    expect(truthOf(query, { exact: 'main' })).toBe(expected);
  });

  it.each([
    ['v*', 'ref=v1/x+y', 'yes'],
    ['v*', 'ref=v', 'yes'],
    ['v*', 'ref=1v', 'no'],
    ['*', 'ref=', 'yes'],
    ['*', 'ref', 'yes'],
    ['*', 'other=1', 'no'],
    ['a*b*c', 'ref=a1b2c', 'yes'],
    ['a*b*c', 'ref=acb', 'no'],
    ['ab*ba', 'ref=aba', 'no'],
    ['x y', 'ref=x+y', 'yes'],
    ['é*', 'ref=%C3%A9t', 'yes'],
    ['[a]?', 'ref=[a]?', 'yes'],
  ])('the glob %s and %s: %s', (glob, query, expected) => {
    expect(truthOf(query, { glob })).toBe(expected);
  });

  it('an empty exact value needs the name to be there', () => {
    expect(truthOf('ref', { exact: '' })).toBe('yes');
    expect(truthOf('ref=', { exact: '' })).toBe('yes');
    expect(truthOf('a=1', { exact: '' })).toBe('no');
  });

  it('a name like those of every object is an ordinary name', () => {
    expect(truthOf('__proto__=1', { exact: '1' }, '__proto__')).toBe('yes');
    expect(truthOf('a=1', { exact: '1' }, 'constructor')).toBe('no');
  });
});
