import { describe, expect, it } from 'vitest';
import { Bucket } from '../../../src/budget/bucket.ts';

const MINUTE = 60_000;

describe('a bucket', () => {
  it('lets its whole amount pass at once, and then what comes back', () => {
    const bucket = new Bucket({ amount: 6, windowMs: MINUTE }, 0);
    const passed = (nowMs: number): number => {
      let count = 0;
      while (bucket.take(1, nowMs)) count++;
      return count;
    };
    expect([passed(0), passed(0), passed(9_999), passed(10_000), passed(40_000), passed(10 * MINUTE)]).toEqual([
      6, 0, 0, 1, 3, 6,
    ]);
  });

  it('takes all that is asked for, or nothing', () => {
    const bucket = new Bucket({ amount: 100, windowMs: MINUTE }, 0);
    expect([bucket.take(99, 0), bucket.take(2, 0), bucket.availableAt(0), bucket.take(1, 0)]).toEqual([
      true,
      false,
      1,
      true,
    ]);
  });

  it.each([
    [7, 1],
    [600, 1],
    [3, 2],
    [1, 1],
    [1_073_741_824, 5_000_000],
  ])('of %i says when %i can be used again, and then they can', (amount, wanted) => {
    const bucket = new Bucket({ amount, windowMs: MINUTE }, 17.3);
    expect(bucket.take(amount, 17.3)).toBe(true);
    const waitMs = bucket.waitMs(wanted, 17.3);
    expect(waitMs).toBe(Math.ceil((wanted * MINUTE) / amount));
    expect(bucket.take(wanted, 17.3 + waitMs - 1)).toBe(false);
    expect(bucket.take(wanted, 17.3 + waitMs)).toBe(true);
  });

  it('says of more than there ever is when all of it can be used', () => {
    const bucket = new Bucket({ amount: 10, windowMs: MINUTE }, 0);
    bucket.take(5, 0);
    expect(bucket.waitMs(1_000, 0)).toBe(MINUTE / 2);
    expect(bucket.take(1_000, 10 * MINUTE)).toBe(false);
  });

  it('gives nothing back for a clock that goes back, and nothing twice when it comes forward again', () => {
    const bucket = new Bucket({ amount: 60, windowMs: MINUTE }, 10_000);
    bucket.take(60, 10_000);
    expect(bucket.availableAt(20_000)).toBe(10);
    expect(bucket.availableAt(5_000)).toBe(10);
    expect(bucket.availableAt(20_000)).toBe(10);
    expect(bucket.availableAt(21_000)).toBe(11);
  });

  it('keeps what was used when its limit changes', () => {
    const bucket = new Bucket({ amount: 600, windowMs: MINUTE }, 0);
    bucket.take(100, 0);
    bucket.changeTo({ amount: 1_000, windowMs: MINUTE }, 0);
    expect(bucket.availableAt(0)).toBe(900);
    bucket.changeTo({ amount: 50, windowMs: MINUTE }, 0);
    expect(bucket.availableAt(0)).toBe(0);
    // One window of the new limit gives all of it back, however much more had been used.
    expect(bucket.availableAt(MINUTE)).toBe(50);
  });

  it('counts time before a change at the old rate', () => {
    const bucket = new Bucket({ amount: 60, windowMs: MINUTE }, 0);
    bucket.take(60, 0);
    bucket.changeTo({ amount: 60, windowMs: 60 * MINUTE }, 30_000);
    expect(bucket.availableAt(30_000)).toBe(30);
    expect(bucket.availableAt(60_000)).toBe(30);
  });
});
