import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../../src/policy/compile.ts';
import type { SandboxSpec } from '../../../src/policy/model.ts';
import { type Difference, differenceBetween } from '../../../src/runtime/difference.ts';
import { limits, perMinute, rules, sandbox } from '../../support/specs.ts';

const between = (was: Partial<SandboxSpec> | null, is: Partial<SandboxSpec> | null): Promise<Difference> => {
  const sandboxes = (parts: Partial<SandboxSpec> | null) => {
    const policy = parts === null ? null : compilePolicy(sandbox({ name: 'vm', ...parts }));
    return new Map([['vm', { name: 'vm', policy, vault: new Map(), files: [], hash: '' }]]);
  };
  return differenceBetween(sandboxes(was), sandboxes(is));
};

describe('what a generation allows and denies that the one before did not', () => {
  it.each<[string, Partial<SandboxSpec> | null, Partial<SandboxSpec> | null, Partial<Difference>]>([
    ['nothing', { rules: rules({ name: 'a' }) }, { rules: rules({ name: 'a' }) }, {}],
    [
      'a rule that moved to another line',
      { rules: rules({ name: 'a' }) },
      { rules: rules({ name: 'b' }, { name: 'a' }) },
      { allowed: ['vm: b (api.example.com)'] },
    ],
    [
      'a rule without a name that moved',
      { rules: rules({}) },
      { rules: rules({ name: 'b' }, {}) },
      { allowed: ['vm: b (api.example.com)'] },
    ],
    [
      'a new allow rule',
      { rules: [] },
      { rules: rules({ name: 'a', hosts: ['a.com', 'b.com', 'c.com', 'd.com'] }) },
      { allowed: ['vm: a (a.com, b.com, c.com and 1 more)'] },
    ],
    [
      'a new deny rule',
      { rules: [] },
      { rules: rules({ name: 'a', action: 'deny' }) },
      { denied: ['vm: a (api.example.com)'] },
    ],
    [
      'an allow rule that is gone',
      { rules: rules({ name: 'a' }) },
      { rules: [] },
      { denied: ['vm: a (api.example.com)'] },
    ],
    [
      'a deny rule that is gone',
      { rules: rules({ action: 'deny' }) },
      { rules: [] },
      { allowed: ['vm: api.example.com'] },
    ],
    [
      'limits that say the same',
      { rules: rules({ name: 'a', limits: limits({ requests: perMinute(5) }) }) },
      { rules: rules({ name: 'a', limits: limits({ requests: perMinute(5) }) }) },
      {},
    ],
    [
      'limits that were raised, lowered, added and taken away',
      { rules: rules({ name: 'a', limits: limits({ requests: perMinute(5), concurrency: 9, bodyBytesMax: 1024 }) }) },
      {
        rules: rules({
          name: 'a',
          limits: limits({ requests: perMinute(6), concurrency: 8, bytesOut: perMinute(2048) }),
        }),
      },
      {
        allowed: ['vm: a limits.requests 6/min, was 5/min', 'vm: a limits.body none, was 1KiB'],
        denied: ['vm: a limits.bytes_out 2KiB/min, was none', 'vm: a limits.concurrency 8, was 9'],
      },
    ],
    [
      'a limit that lets more pass at once and less over time',
      { rules: rules({ name: 'a', limits: limits({ requests: perMinute(5) }) }) },
      { rules: rules({ name: 'a', limits: limits({ requests: { amount: 100, windowMs: 86_400_000 } }) }) },
      { changed: ['vm: a limits.requests 100/day, was 5/min'] },
    ],
    [
      'a rule that was turned',
      { rules: rules({ name: 'a' }) },
      { rules: rules({ name: 'a', action: 'deny' }) },
      { denied: ['vm: a (api.example.com)'] },
    ],
    [
      'methods, paths and hosts of a rule',
      { rules: rules({ name: 'a', methods: ['GET'], paths: ['/a/**', '/b'] }) },
      {
        rules: rules({
          name: 'a',
          methods: ['GET', 'POST'],
          paths: ['/b'],
          hosts: ['api.example.com', 'new.example.com'],
        }),
      },
      { allowed: ['vm: a new.example.com', 'vm: a method POST'], denied: ['vm: a path /a/**'] },
    ],
    [
      'a condition on methods that is new',
      { rules: rules({ name: 'a' }) },
      { rules: rules({ name: 'a', methods: ['GET'] }) },
      { denied: ['vm: a method other than GET'] },
    ],
    [
      'more hosts of a deny rule',
      { rules: rules({ name: 'a', action: 'deny' }) },
      { rules: rules({ name: 'a', action: 'deny', hosts: ['api.example.com', 'x.com'] }) },
      { denied: ['vm: a x.com'] },
    ],
    [
      'what a rule puts in',
      { rules: rules({ name: 'a' }) },
      { rules: rules({ name: 'a', strip: ['cookie'] }) },
      { changed: ['vm: a'] },
    ],
    ['the default', { default: 'deny' }, { default: 'allow' }, { allowed: ['vm: hosts that no rule names'] }],
    [
      'the mode',
      { mode: 'observe' },
      { mode: 'enforce' },
      { denied: ['vm: what its rules deny, which was only audited before'] },
    ],
    [
      'subnets',
      { subnets: { allow: [], deny: [{ cidr: '10.0.0.0/8', place: rules({})[0]?.place ?? never() }] } },
      { subnets: { allow: [{ cidr: '10.0.0.0/8', ports: [22], place: rules({})[0]?.place ?? never() }], deny: [] } },
      { allowed: ['vm: subnet 10.0.0.0/8 ports 22', 'vm: subnet 10.0.0.0/8'] },
    ],
    ['a sandbox whose policy is gone', { rules: [] }, null, { denied: ['vm: everything, its policy is gone'] }],
    ['a sandbox that has a policy now', null, { rules: rules({}, {}) }, { allowed: ['vm: its policy, 2 rules'] }],
  ])('%s', async (_, was, is, expected) => {
    expect(await between(was, is)).toEqual({ allowed: [], denied: [], changed: [], ...expected });
  });

  it('is short, however much changed', async () => {
    const many = rules(...Array.from({ length: 500 }, (_, at) => ({ name: `r${at}` })));
    const { allowed } = await between({ rules: [] }, { rules: many });
    expect(allowed).toHaveLength(21);
    expect(allowed.at(-1)).toBe('and 480 more');
  });
});

function never(): never {
  throw new Error('there is a first rule');
}
