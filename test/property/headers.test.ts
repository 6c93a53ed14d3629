import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countOf, field, without } from '../../src/headers/field-list.ts';
import { requestWithoutHopByHop, responseWithoutHopByHop } from '../../src/headers/hop-by-hop.ts';

const NAMES = [
  'Connection',
  'connection',
  'X-A',
  'x-a',
  'X_A',
  'Keep-Alive',
  'TE',
  'Host',
  'Proxy-X',
  'Upgrade',
  'Alt-Svc',
  'B',
];
const VALUES = ['x-a', 'X-A, close', 'b , te', 'trailers', 'gzip', '', ',', 'host', 'x_a'];
const fields = fc.array(
  fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...VALUES)).map(([name, value]) => field(name, value)),
  { maxLength: 10 },
);

describe('removal of fields', () => {
  it('leaves no copy behind, and everything else in its place', () => {
    fc.assert(
      fc.property(fields, fc.constantFrom('x-a', 'connection', 'b'), (all, name) => {
        const left = without(all, name);
        expect(countOf(left, name)).toBe(0);
        expect(left).toEqual(all.filter(({ lower }) => lower !== name));
      }),
    );
  });
});

describe('removal of hop-by-hop fields', () => {
  it('leaves none of them, none that was nominated, and the rest in order', () => {
    fc.assert(
      fc.property(fields, (all) => {
        const nominated = all
          .filter(({ lower }) => lower === 'connection')
          .flatMap(({ value }) => value.split(',').map((name) => name.trim().toLowerCase()))
          .filter((name) => !['host', 'te'].includes(name));
        const left = requestWithoutHopByHop(all);
        const gone = ['connection', 'keep-alive', 'proxy-x', 'upgrade', ...nominated];
        expect(left).toEqual(
          all.filter(({ lower, value }) => !gone.includes(lower) && (lower !== 'te' || value === 'trailers')),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it('changes nothing when it is done again', () => {
    fc.assert(
      fc.property(fields, (all) => {
        for (const remove of [requestWithoutHopByHop, responseWithoutHopByHop]) {
          const once = remove(all);
          expect(remove(once)).toEqual(once);
        }
      }),
    );
  });
});
