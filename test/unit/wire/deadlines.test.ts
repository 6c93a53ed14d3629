import { describe, expect, it } from 'vitest';
import { type Deadline, Deadlines } from '../../../src/wire/deadlines.ts';

const deadline = (dueMs: number): Deadline & { readonly due: Promise<void>; times: number } => {
  let resolve = (): void => {};
  const due = new Promise<void>((done) => {
    resolve = done;
  });
  return {
    dueMs,
    due,
    times: 0,
    onDue() {
      this.times++;
      resolve();
    },
  };
};

describe('deadlines', () => {
  it('call back the one that is due, once, and not those that are not', async () => {
    const all = new Deadlines();
    const late = deadline(Number.POSITIVE_INFINITY);
    const gone = deadline(0);
    const first = deadline(0);
    for (const each of [late, gone, first]) all.add(each);
    all.delete(gone);
    first.dueMs = all.nowMs() + 1;
    await first.due;
    const second = deadline(all.nowMs());
    all.add(second);
    await second.due;
    expect([late.times, gone.times, first.times]).toEqual([0, 0, 1]);
    expect(first.dueMs).toBe(Number.POSITIVE_INFINITY);
    for (const each of [late, first, second]) all.delete(each);
  });

  it('have a clock that is right again after nothing was watched for a while', async () => {
    const all = new Deadlines();
    const before = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 5));
    const one = deadline(Number.POSITIVE_INFINITY);
    all.add(one);
    expect(all.nowMs()).toBeGreaterThan(before + 3);
    all.delete(one);
  });
});
