import assert from 'node:assert';
import { afterAll, afterEach, beforeAll } from 'vitest';

/** What a test opened, closed after it in reverse order, whether it passed or not. */
const open: (() => unknown)[] = [];

export function closeAfterTest<T>(thing: T, close: (thing: T) => unknown): T {
  open.push(() => close(thing));
  return thing;
}

export function closeOpened(): void {
  afterEach(() => closeFrom(0));
}

/** The same once after all tests of a file, for what they share. */
export function closeOpenedAtEnd(): void {
  afterAll(() => closeFrom(0));
}

/**
 * Starts something once for all tests of the file or `describe` that calls this: what `start` opens is closed after the last of them, with
 * `end` asked before. The tests share it, so none may leave it in a state that another would notice.
 */
export function shared<T>(start: () => Promise<T>, end: (started: T) => unknown = () => {}): () => T {
  let running: { readonly thing: T } | null = null;
  beforeAll(async () => {
    const before = open.length;
    const thing = await start();
    running = { thing };
    const kept = open.splice(before);
    return async () => {
      await end(thing);
      open.push(...kept);
      await closeFrom(open.length - kept.length);
    };
  });
  return () => {
    assert(running !== null, 'nothing is shared before the first test runs');
    return running.thing;
  };
}

async function closeFrom(index: number): Promise<void> {
  const failures: unknown[] = [];
  while (open.length > index) {
    // What fails to close must not leave the rest open.
    try {
      await open.pop()?.();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
