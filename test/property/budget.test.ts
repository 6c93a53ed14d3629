import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bucket } from '../../src/budget/bucket.ts';
import type { RateSpec } from '../../src/policy/model.ts';

const rate: fc.Arbitrary<RateSpec> = fc.record({
  amount: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 2 ** 40 })),
  windowMs: fc.constantFrom(1_000, 60_000, 3_600_000, 86_400_000),
});

/** Steps of a clock in fractions of a millisecond, as `performance.now()` has them; some none, some backwards. */
const step = fc.oneof(
  fc.constant(0),
  fc.double({ min: 0, max: 50, noNaN: true }),
  fc.double({ min: 0, max: 1e9, noNaN: true }),
  fc.constant(-5),
);

const asked = fc.array(fc.record({ step, share: fc.double({ min: 0, max: 1.2, noNaN: true }) }), { maxLength: 120 });

/** What passed and when. */
function run(spec: RateSpec, steps: readonly { readonly step: number; readonly share: number }[]) {
  let nowMs = 1_000.25;
  const bucket = new Bucket(spec, nowMs);
  return steps.flatMap(({ step: ms, share }) => {
    nowMs += ms;
    const amount = Math.max(1, Math.round(spec.amount * share));
    return bucket.take(amount, nowMs) ? [{ atMs: nowMs, amount }] : [];
  });
}

describe('a bucket, whatever is asked of it and when', () => {
  it('lets no more pass in any time than its amount and what comes back in that time', () => {
    fc.assert(
      fc.property(rate, asked, (spec, steps) => {
        const passed = run(spec, steps);
        for (let from = 0; from < passed.length; from++) {
          let sum = 0;
          let latestMs = passed[from]?.atMs ?? 0;
          for (let to = from; to < passed.length; to++) {
            sum += passed[to]?.amount ?? 0;
            latestMs = Math.max(latestMs, passed[to]?.atMs ?? 0);
            // A clock that goes back makes windows longer than they look.
            const back = 5 * steps.filter((each) => each.step < 0).length;
            const windowMs = latestMs - (passed[from]?.atMs ?? 0) + back;
            const most = spec.amount + (spec.amount * windowMs) / spec.windowMs;
            expect(sum).toBeLessThanOrEqual(most * (1 + 1e-9));
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('never owes more, or has more left, than its amount, through any change of it', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ spec: rate, steps: asked }), { minLength: 1, maxLength: 6 }), (phases) => {
        const [first] = phases;
        if (first === undefined) return;
        let nowMs = 0;
        const bucket = new Bucket(first.spec, nowMs);
        for (const { spec, steps } of phases) {
          bucket.changeTo(spec, nowMs);
          for (const { step: ms, share } of steps.slice(0, 10)) {
            nowMs += ms;
            bucket.take(Math.round(spec.amount * share), nowMs);
            expect(bucket.usedAt(nowMs)).toBeLessThanOrEqual(spec.amount * (1 + 1e-9));
            expect(bucket.availableAt(nowMs)).toBeGreaterThanOrEqual(0);
            expect(bucket.availableAt(nowMs)).toBeLessThanOrEqual(spec.amount);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it('lets pass what it said would pass, when it said', () => {
    fc.assert(
      fc.property(rate, asked, fc.double({ min: 0, max: 1, noNaN: true }), (spec, steps, share) => {
        let nowMs = 0;
        const bucket = new Bucket(spec, nowMs);
        for (const each of steps) {
          nowMs += Math.abs(each.step);
          bucket.take(Math.max(1, Math.round(spec.amount * each.share)), nowMs);
        }
        const wanted = Math.max(1, Math.round(spec.amount * share));
        expect(bucket.take(wanted, nowMs + bucket.waitMs(wanted, nowMs))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
