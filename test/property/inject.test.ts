import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProxyError } from '../../src/errors.ts';
import { type FieldList, field, hyphened } from '../../src/headers/field-list.ts';
import { requestWithoutHopByHop } from '../../src/headers/hop-by-hop.ts';
import { applyPlan, type Injected } from '../../src/inject/apply.ts';
import type { Plan } from '../../src/inject/plan.ts';
import { TokenIndex } from '../../src/inject/tokens.ts';
import { compilePolicy } from '../../src/policy/compile.ts';
import type { InjectionSpec, RuleSpec } from '../../src/policy/model.ts';
import { bearer, header, list, of, rules, sandbox, vault } from '../support/specs.ts';

const TOKEN = 'PSTRN-GITHUB-0001';
const SECRET = 'the-real-secret';
const VAULT = vault({ github: SECRET });

function planOf(part: Partial<RuleSpec>): Plan {
  const host = compilePolicy(sandbox({ rules: rules(part) })).rulesFor('api.example.com');
  if (host === null) throw new Error('no rule names the host');
  return host.planAt(0);
}

/** A name in any case, with either of `-` and `_`. */
const spellingOf = (name: string): fc.Arbitrary<string> =>
  fc
    .array(fc.integer({ min: 0, max: 3 }), { minLength: name.length, maxLength: name.length })
    .map((choices) => [...name].map((char, index) => spell(char, choices[index] ?? 0)).join(''));

const spell = (char: string, choice: number): string =>
  char === '-' ? (choice % 2 === 0 ? '-' : '_') : choice < 2 ? char : char.toUpperCase();

const NAMES = [
  'authorization',
  'x-api-key',
  'x-my-long-name',
  'cookie',
  'accept',
  'content-type',
  'x-http-method-override',
];
const anyField = fc.oneof(
  fc.constantFrom(...NAMES).chain(spellingOf),
  fc.string({ unit: fc.constantFrom('a', 'B', '-', '_'), minLength: 1 }),
);
const anyFields = fc.array(
  fc.tuple(anyField, fc.string({ unit: 'binary-ascii' })).map(([name, value]) => field(name, value)),
  { maxLength: 12 },
);

describe('no client copy of an injected field survives', () => {
  const injected = ['authorization', 'x-api-key', 'x-my-long-name'];
  const plan = planOf({
    inject: [bearer('github'), header('X-Api-Key', 'github'), header('x_my_long-name', 'github')],
  });

  it('in any case, spelling, number or place; everything else keeps its order and bytes', () => {
    fc.assert(
      fc.property(anyFields, (fields) => {
        const { fields: left } = applyPlan({ target: '/', fields }, plan, VAULT);
        for (const name of injected) {
          expect(left.filter(({ lower }) => hyphened(lower) === name)).toHaveLength(1);
        }
        const others = fields.filter(
          ({ lower }) => ![...injected, 'cookie', 'api-key', 'private-token'].includes(hyphened(lower)),
        );
        expect(left.slice(0, -injected.length)).toEqual(others);
      }),
      { numRuns: 1_000 },
    );
  });

  it('and a field list without a name has none of it: count(without(list, name)) is 0', () => {
    const stripping = planOf({ strip: ['x-my-long-name'] });
    fc.assert(
      fc.property(anyFields, (fields) => {
        const { fields: left } = applyPlan({ target: '/', fields }, stripping, VAULT);
        expect(left).toEqual(fields.filter(({ lower }) => hyphened(lower) !== 'x-my-long-name'));
      }),
    );
  });

  it('in the query, however its name is escaped', () => {
    const inQuery = planOf({ inject: [{ kind: 'query', name: 'api_key', value: of('github') }] });
    const escapedName = fc
      .array(fc.boolean(), { minLength: 7, maxLength: 7 })
      .map((choices) =>
        [...'api_key'].map((char, at) => (choices[at] ? `%${char.charCodeAt(0).toString(16)}` : char)).join(''),
      );
    const pair = fc.oneof(
      escapedName.map((name) => `${name}=mine`),
      fc.constantFrom('a=1', 'api_keys=x', '', 'b', 'api-key=%2f', 'x=api_key'),
    );
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 6 }), (pairs) => {
        const { target } = applyPlan({ target: `/p?${pairs.join('&')}`, fields: [] }, inQuery, VAULT);
        const parsed = new URLSearchParams(target.slice(target.indexOf('?')));
        expect(parsed.getAll('api_key')).toEqual([SECRET]);
        const kept = pairs.filter((each) => !each.endsWith('=mine')).join('&');
        expect(target).toBe(`/p?${kept === '' ? '' : `${kept}&`}api_key=${SECRET}`);
      }),
      { numRuns: 1_000 },
    );
  });

  it('among cookies', () => {
    const inCookie = planOf({ inject: [{ kind: 'cookie', name: 'sid', value: of('github') }] });
    const cookie = fc.constantFrom('sid=mine', ' sid = mine', 'sid', 'a=1', 'Sid=x', 'xsid=1', 'b="q"', '');
    fc.assert(
      fc.property(fc.array(fc.array(cookie, { maxLength: 5 }), { maxLength: 3 }), (cookieLines) => {
        const fields = cookieLines.map((cookies) => field('Cookie', cookies.join(';')));
        const { fields: left } = applyPlan({ target: '/', fields }, inCookie, VAULT);
        const pairs = left.flatMap(({ value }) => value.split(';').map((text) => text.trim()));
        expect(pairs.filter((text) => /^sid\b/.test(text))).toEqual([`sid=${SECRET}`]);
        expect(pairs.filter((text) => text === 'a=1')).toHaveLength(
          cookieLines.flat().filter((text) => text === 'a=1').length,
        );
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('no nomination takes away what we add', () => {
  it('whatever the client writes into Connection', () => {
    const plan = planOf({ inject: [bearer('github')] });
    const nominations = fc.array(
      fc.constantFrom('authorization', 'Authorization', 'host', 'content-length', 'close', '', ' ', ','),
    );
    fc.assert(
      fc.property(nominations, anyFields, (names, fields) => {
        const sent: FieldList = [
          ...fields,
          ...list(['Host', 'h'], ['Content-Length', '3'], ['Connection', names.join(',')]),
        ];
        const { fields: left } = applyPlan({ target: '/', fields: requestWithoutHopByHop(sent) }, plan, VAULT);
        const values = (name: string) => left.filter(({ lower }) => lower === name).map(({ value }) => value);
        expect(values('authorization')).toEqual([`Bearer ${SECRET}`]);
        expect(values('host')).toEqual(['h']);
        expect(values('content-length')).toEqual(['3']);
        expect(values('connection')).toEqual([]);
      }),
    );
  });
});

describe('the path that leaves is the path that was judged', () => {
  it('byte for byte, whatever is added to the query', () => {
    const plan = planOf({
      paths: ['/**'],
      inject: [bearer('github'), { kind: 'query', name: 'key', value: of('github') }],
    });
    const path = fc
      .string({ unit: fc.constantFrom('a', '/', '%2f', '%41', ';', '.', '&', '=', 'key') })
      .map((text) => `/${text}`);
    fc.assert(
      fc.property(path, fc.option(fc.constantFrom('', 'a=1', 'key=mine')), (judged, query) => {
        const { target } = applyPlan(
          { target: query === null ? judged : `${judged}?${query}`, fields: [] },
          plan,
          VAULT,
        );
        expect(target.split('?')[0]).toBe(judged);
      }),
    );
  });
});

const placeholder = (misplaced: 'deny' | 'pass'): InjectionSpec => ({
  kind: 'placeholder',
  token: TOKEN,
  value: of('github'),
  in: [{ kind: 'header', name: 'x-bound' }],
  misplaced,
});

describe('a placeholder', () => {
  const text = fc.array(
    fc.oneof(fc.constantFrom(TOKEN, 'PSTRN-GITHUB-', '0001', TOKEN.slice(1)), fc.string({ unit: 'binary-ascii' })),
  );
  const somewhere = text.map((parts) => parts.join(''));

  it('is swapped wherever it is bound, each time, and nothing else changes', () => {
    const plan = planOf({ inject: [placeholder('deny')] });
    fc.assert(
      fc.property(somewhere, (value) => {
        const { fields, injected } = applyPlan({ target: '/', fields: list(['X-Bound', value]) }, plan, VAULT);
        const holds = value.includes(TOKEN);
        // `x-bound` carries a credential on this host: it leaves only as the carrier of a placeholder.
        expect(fields.map((each) => each.value)).toEqual(holds ? [value.split(TOKEN).join(SECRET)] : []);
        expect(injected).toEqual(holds ? ['github'] : []);
      }),
      { numRuns: 1_000 },
    );
  });

  it('never leaves as the secret, and is refused exactly where it stands unbound', () => {
    const attempts = fc.record({
      target: fc.oneof(
        somewhere.map((value) => `/${encodeURIComponent(value)}`),
        somewhere.map((value) => `/?q=${encodeURIComponent(value)}`),
      ),
      fields: fc.array(
        somewhere.map((value) => field('X-Free', value)),
        { maxLength: 2 },
      ),
    });
    fc.assert(
      fc.property(attempts, fc.constantFrom('deny', 'pass'), (request, misplaced) => {
        const plan = planOf({ inject: [placeholder(misplaced)] });
        const stands =
          decodeURIComponent(request.target).includes(TOKEN) ||
          request.fields.some(({ value }) => value.includes(TOKEN));
        const outcome = attempt(() => applyPlan(request, plan, VAULT));
        if (stands && misplaced === 'deny') expect(outcome).toBe('PLACEHOLDER_MISUSE');
        else expect(outcome).toEqual({ ...request, injected: [] });
      }),
      { numRuns: 1_000 },
    );
  });
});

function attempt(run: () => Injected): Injected | string {
  try {
    return run();
  } catch (thrown) {
    if (thrown instanceof ProxyError) return thrown.code;
    throw thrown;
  }
}

describe('the index of tokens', () => {
  const alphabet = fc.string({ unit: fc.constantFrom('a', 'b', '-'), minLength: 12, maxLength: 16 });
  const distinct = fc
    .uniqueArray(alphabet, { minLength: 1, maxLength: 8 })
    .filter((tokens) => tokens.every((one) => tokens.every((other) => one === other || !one.includes(other))));

  it('finds the first token that indexOf finds, from any place on', () => {
    fc.assert(
      fc.property(
        distinct,
        fc.array(fc.oneof(alphabet, fc.string()), { maxLength: 6 }),
        fc.nat(30),
        fc.nat(7),
        (tokens, parts, from, which) => {
          const text = [...parts, tokens[which % tokens.length], ...parts].join('');
          const starts = tokens
            .map((token) => ({ token, start: text.indexOf(token, from) }))
            .filter(({ start }) => start !== -1);
          const first = starts.sort((one, other) => one.start - other.start)[0] ?? null;
          const index = new TokenIndex(tokens.map((token) => ({ token, misplaced: 'deny' })));
          expect(index.find(text, from)).toEqual(first);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
