import { afterAll, afterEach } from 'vitest';

/** What a test opened, closed after it in reverse order, whether it passed or not. */
const open: (() => unknown)[] = [];

export function closeAfterTest<T>(thing: T, close: (thing: T) => unknown): T {
  open.push(() => close(thing));
  return thing;
}

export function closeOpened(): void {
  afterEach(closeAll);
}

/** The same once after all tests of a file, for what they share. */
export function closeOpenedAtEnd(): void {
  afterAll(closeAll);
}

async function closeAll(): Promise<void> {
  for (let close = open.pop(); close !== undefined; close = open.pop()) await close();
}
