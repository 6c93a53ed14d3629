import { describe, expect, it } from 'vitest';
import { compileInSlices, compilePolicy } from '../../../src/policy/compile.ts';
import type { CompiledPolicy } from '../../../src/policy/compiled.ts';
import { decide } from '../../../src/policy/decide.ts';
import { isAddress } from '../../../src/policy/host-index.ts';
import type { RuleSpec } from '../../../src/policy/model.ts';
import { bearer, facts, header, place, rule, rules, sandbox } from '../../support/specs.ts';

const policyOf = (...parts: readonly Partial<RuleSpec>[]): CompiledPolicy =>
  compilePolicy(sandbox({ rules: rules(...parts) }));

const namesFor = (policy: CompiledPolicy, host: string): readonly string[] | null =>
  policy.rulesFor(host)?.rules.map(({ label }) => label) ?? null;

describe('the rules of a host', () => {
  const policy = policyOf(
    { name: 'deep', hosts: ['*.a.example.com'] },
    { name: 'exact', hosts: ['x.a.example.com', 'example.com'] },
    { name: 'wide', hosts: ['*.example.com', 'x.a.example.com'] },
    { name: 'twice', hosts: ['*.example.com', '*.a.example.com', '*.example.com'] },
    { name: 'address', hosts: ['192.0.2.1', '[2001:db8::1]'] },
  );

  it.each([
    ['x.a.example.com', ['deep', 'exact', 'wide', 'twice']],
    ['y.a.example.com', ['deep', 'wide', 'twice']],
    ['z.y.a.example.com', ['deep', 'wide', 'twice']],
    ['a.example.com', ['wide', 'twice']],
    ['b.example.com', ['wide', 'twice']],
    ['example.com', ['exact']],
    ['com', null],
    ['xexample.com', null],
    ['example.com.evil.test', null],
    ['', null],
    ['192.0.2.1', ['address']],
    ['[2001:db8::1]', ['address']],
    ['192.0.2.2', null],
  ])('%s, in rule order and each once', (host, expected) => {
    expect(namesFor(policy, host)).toEqual(expected);
  });

  it('are shared by the hosts that the same pattern settles, however many a sandbox makes up', () => {
    const one = policy.rulesFor('made-up-1.example.com');
    for (let index = 2; index < 2_000; index++) expect(policy.rulesFor(`made-up-${index}.x.example.com`)).toBe(one);
    expect(policy.rulesFor('x.a.example.com')).not.toBe(one);
  });

  it('are null for a host that nothing names, and nothing is kept of it', () => {
    expect(policy.rulesFor('nothing.test')).toBeNull();
  });

  it('carry what is true of the host as a whole', () => {
    const some = policyOf(
      { hosts: ['a.test', 'b.test', 'c.test', 'd.test'] },
      { hosts: ['b.test'], methods: ['GET'] },
      { hosts: ['c.test'], paths: ['/x'] },
      { hosts: ['d.test'], paths: ['/x'], encodedSlash: true },
    );
    const traits = (host: string) => {
      const found = some.rulesFor(host);
      return [found?.hasMethodsOrPaths, found?.hasPaths, found?.takesEncodedSlash];
    };
    expect(traits('a.test')).toEqual([false, false, false]);
    expect(traits('b.test')).toEqual([true, false, false]);
    expect(traits('c.test')).toEqual([true, true, false]);
    expect(traits('d.test')).toEqual([true, true, true]);
  });
});

describe('the plan of a rule', () => {
  it('depends on the host: what another rule of that host says counts there and not elsewhere', () => {
    const policy = policyOf(
      { hosts: ['a.test', 'b.test'], inject: [bearer('one')] },
      { hosts: ['b.test'], inject: [header('X-Vendor', 'two')], paths: ['/x'] },
    );
    const removed = (host: string) => policy.rulesFor(host)?.planAt(0).removed;
    expect(removed('a.test')?.has('x-vendor')).toBe(false);
    expect(removed('a.test')?.has('x-rewrite-url')).toBe(false);
    expect(removed('b.test')?.has('x-vendor')).toBe(true);
    expect(removed('b.test')?.has('x-rewrite-url')).toBe(true);
  });

  it('is made once, and equal parts of different rules are one object', () => {
    const policy = policyOf(
      { hosts: ['a.test'], inject: [bearer('one')], methods: ['GET'], paths: ['/x'] },
      { hosts: ['b.test'], inject: [bearer('two')], methods: ['GET'], paths: ['/x'] },
    );
    const a = policy.rulesFor('a.test');
    const b = policy.rulesFor('b.test');
    expect(a?.planAt(0)).toBe(a?.planAt(0));
    expect(a?.planAt(0).removed).toBe(b?.planAt(0).removed);
    expect(a?.rules[0]?.methods).toBe(b?.rules[0]?.methods);
    expect(a?.rules[0]?.paths).toBe(b?.rules[0]?.paths);
    expect(a?.planAt(0).tokens).toBe(b?.planAt(0).tokens);
  });

  it('names every secret that it may open, each once', () => {
    const policy = policyOf({ inject: [header('x', 'one'), header('y', 'two'), header('z', 'one')] });
    expect(policy.rulesFor('api.example.com')?.planAt(0).secrets).toEqual(['one', 'two']);
  });
});

describe('a large policy', () => {
  const hosts = 20_000;
  const large = sandbox({
    rules: Array.from({ length: hosts }, (_, index) =>
      rule({ place: place(index + 1), hosts: [`h${index}.example.com`] }),
    ),
  });

  it('is compiled in slices, and the event loop has its turn between them', () => {
    const slices = compileInSlices(large);
    let count = 0;
    let slice = slices.next();
    for (; slice.done !== true; slice = slices.next()) count++;
    expect(count).toBe(200);
    expect(decide(slice.value, facts({ host: 'h19999.example.com' }))).toMatchObject({
      effect: 'allow',
      rule: { index: 19_999 },
    });
  });

  it('does not look at the rules of other hosts when it decides', () => {
    let looks = 0;
    const counted = large.rules.map(
      (each) =>
        new Proxy(each, {
          get(target, key) {
            looks++;
            return Reflect.get(target, key);
          },
        }),
    );
    const policy = compilePolicy({ ...large, rules: counted });
    looks = 0;
    decide(policy, facts({ host: 'h777.example.com' }));
    decide(policy, facts({ host: 'unknown.test' }));
    expect(looks).toBeGreaterThan(0);
    expect(looks).toBeLessThan(60);
  });
});

it.each([
  ['192.0.2.1', true],
  ['[::1]', true],
  ['example.com', false],
  ['h1', false],
  ['api.v1', false],
  ['1.2.3.4.example', false],
])('%s is an address: %s', (host, expected) => {
  expect(isAddress(host)).toBe(expected);
});
