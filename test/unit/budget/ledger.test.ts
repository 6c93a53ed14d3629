import { describe, expect, it } from 'vitest';
import type { Budget } from '../../../src/budget/budget.ts';
import { Ledger } from '../../../src/budget/ledger.ts';
import { compilePolicy } from '../../../src/policy/compile.ts';
import type { CompiledPolicy, CompiledRule } from '../../../src/policy/compiled.ts';
import type { LimitsSpec, RuleSpec } from '../../../src/policy/model.ts';
import { limits, perMinute, rules, sandbox } from '../../support/specs.ts';

const policyOf = (...specs: readonly Partial<RuleSpec>[]): CompiledPolicy =>
  compilePolicy(sandbox({ name: 'vm', rules: rules(...specs) }));

const ruleOf = (policy: CompiledPolicy, name = 'a'): CompiledRule =>
  policy.rulesFor('api.example.com')?.rules.find(({ label }) => label === name) ?? expect.fail('no such rule');

function scene(spec: LimitsSpec) {
  const clock = { nowMs: 5_000 };
  const ledger = new Ledger(() => clock.nowMs);
  const policy = policyOf({ name: 'a', limits: spec });
  const sandboxes = (next: CompiledPolicy | null) => new Map([['vm', { policy: next }]]);
  let current: CompiledPolicy | null = policy;
  return {
    clock,
    ledger,
    policy,
    budget: ledger.of('vm', ruleOf(policy), spec),
    reload(next: CompiledPolicy | null): void {
      ledger.follow(sandboxes(next), sandboxes(current));
      current = next;
    },
  };
}

/** How many requests get in one after another; each stays. */
function entering(budget: Budget): number {
  let count = 0;
  while (count < 1_000 && budget.enter(1) === null) count++;
  return count;
}

describe('the budget of a rule', () => {
  it('is one for each sandbox and rule', () => {
    const spec = limits({ requests: perMinute(2) });
    const { ledger, policy, budget } = scene(spec);
    expect(entering(budget)).toBe(2);
    expect(ledger.of('vm', ruleOf(policy), spec)).toBe(budget);
    expect(entering(ledger.of('other', ruleOf(policy), spec))).toBe(2);
  });

  it('says which quota has no room, what is left of it and when there is more', () => {
    const { budget, clock } = scene(limits({ requests: perMinute(4), bytesOut: perMinute(100), concurrency: 3 }));
    expect(budget.spend(90)).toBeNull();
    expect(budget.enter(11)).toEqual({ limit: 'bytes_out', amount: 100, available: 10, windowS: 60, retryAfterS: 1 });
    expect(budget.enter(60)).toMatchObject({ limit: 'bytes_out', retryAfterS: 30 });
    expect(budget.enter(500)).toMatchObject({ limit: 'bytes_out', retryAfterS: 54 });
    expect(entering(budget)).toBe(3);
    expect(budget.enter(1)).toEqual({ limit: 'concurrency', amount: 3, available: 0, windowS: null, retryAfterS: 1 });
    budget.leave();
    expect(budget.enter(1)).toBeNull();
    budget.leave();
    expect(budget.enter(1)).toEqual({ limit: 'requests', amount: 4, available: 0, windowS: 60, retryAfterS: 15 });
    clock.nowMs += 15_000;
    expect(budget.enter(1)).toBeNull();
  });

  it('uses nothing of one limit for what another refuses', () => {
    const { budget } = scene(limits({ requests: perMinute(2), bytesOut: perMinute(100), concurrency: 1 }));
    expect(budget.enter(1)).toBeNull();
    for (let round = 0; round < 10; round++) expect(budget.enter(1)).toMatchObject({ limit: 'concurrency' });
    budget.leave();
    for (let round = 0; round < 10; round++) expect(budget.enter(1_000)).toMatchObject({ limit: 'bytes_out' });
    expect(budget.use()).toMatchObject({ requests: { used: 1, available: 1 }, bytesOut: { used: 0 }, inFlight: 0 });
  });

  it('keeps what was used over a reload, under a changed limit too', () => {
    const { ledger, budget, policy, reload } = scene(limits({ requests: perMinute(10), concurrency: 5 }));
    for (let count = 0; count < 3; count++) budget.enter(1);
    reload(policy);
    expect(ledger.uses('vm')).toMatchObject([{ rule: 'a', requests: { used: 3 }, inFlight: 3 }]);
    reload(policyOf({ name: 'b' }, { name: 'a', limits: limits({ requests: perMinute(20), concurrency: 4 }) }));
    expect(ledger.uses('vm')).toMatchObject([{ rule: 'a', requests: { amount: 20, used: 3 }, inFlight: 3 }]);
    expect(entering(budget)).toBe(1);
  });

  it.each([
    ['its rule is gone', policyOf({ name: 'b', limits: limits({ requests: perMinute(10) }) })],
    ['its rule has no limits any more', policyOf({ name: 'a' })],
    ['its sandbox has no policy any more', null],
  ])('is forgotten when %s, and what is in flight can still leave', (_, next) => {
    const spec = limits({ requests: perMinute(10), concurrency: 1 });
    const { ledger, budget, policy, reload } = scene(spec);
    expect(budget.enter(1)).toBeNull();
    reload(next);
    expect(ledger.uses('vm')).toEqual([]);
    budget.leave();
    reload(policy);
    const again = ledger.of('vm', ruleOf(policy), spec);
    expect(again.use()).toMatchObject({ requests: { used: 0 }, inFlight: 0 });
  });

  it('begins a limit that is new unused, and counts what was in flight before', () => {
    const { budget, reload } = scene(limits({ bytesOut: perMinute(10) }));
    budget.enter(1);
    budget.spend(4);
    reload(policyOf({ name: 'a', limits: limits({ requests: perMinute(3), concurrency: 2 }) }));
    expect(budget.use()).toMatchObject({ bytesOut: null, requests: { used: 0 }, inFlight: 1 });
    expect(entering(budget)).toBe(1);
    reload(policyOf({ name: 'a', limits: limits({ bytesOut: perMinute(10) }) }));
    expect(budget.use()).toMatchObject({ bytesOut: { used: 0 }, requests: null });
  });

  it('is not kept for sandboxes by the thousand that come and go', () => {
    const spec = limits({ concurrency: 1 });
    const policy = policyOf({ name: 'a', limits: spec });
    const ledger = new Ledger(() => 0);
    const names = Array.from({ length: 2_000 }, (_, index) => `vm-${index}`);
    for (const name of names) ledger.of(name, ruleOf(policy), spec);
    const all = new Map(names.map((name) => [name, { policy }]));
    ledger.follow(new Map(), all);
    expect(names.flatMap((name) => ledger.uses(name))).toEqual([]);
  });
});
