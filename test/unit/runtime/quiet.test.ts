import { describe, expect, it } from 'vitest';
import { readQuiet } from '../../../src/runtime/quiet.ts';

/** A file of which every reading sees the next state, the last one for ever. */
function changing(states: readonly string[]): { readonly read: () => Promise<string>; readonly readAtMs: number[] } {
  const readAtMs: number[] = [];
  const read = async (): Promise<string> => {
    readAtMs.push(performance.now());
    return states[Math.min(readAtMs.length, states.length) - 1] ?? '';
  };
  return { read, readAtMs };
}

const isSame = (one: string, other: string): boolean => one === other;
const never = (): number => Number.NEGATIVE_INFINITY;

describe('a quiet reading', () => {
  it('is the first that is read twice, 100 ms apart', async () => {
    const { read, readAtMs } = changing(['h', 'half', 'whole']);
    expect(await readQuiet({ read, isSame, known: null, changedMs: never })).toBe('whole');
    expect(readAtMs).toHaveLength(4);
    const gapsMs = readAtMs.slice(1).map((at, index) => at - (readAtMs[index] ?? 0));
    // Seen from here, and on a busy machine: what is exact is the wait inside.
    for (const gapMs of gapsMs) expect(gapMs).toBeGreaterThan(90);
  });

  it('needs no second look at what is in force already', async () => {
    const { read, readAtMs } = changing(['known']);
    expect(await readQuiet({ read, isSame, known: 'known', changedMs: never })).toBe('known');
    expect(readAtMs).toHaveLength(1);
  });

  it('waits until 100 ms after the last change, however often that moves on', async () => {
    const { read, readAtMs } = changing(['whole']);
    const startedMs = performance.now();
    const lastMs = startedMs + 250;
    // A file that is written to until `lastMs`.
    const changedMs = (): number => Math.min(performance.now(), lastMs);
    await readQuiet({ read, isSame, known: null, changedMs });
    expect((readAtMs[1] ?? 0) - startedMs).toBeGreaterThan(340);
  });
});
