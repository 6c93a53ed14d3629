/** What came of one check, for people and in JSON. `todo` says what to do about a problem. */
export interface Result {
  readonly check: string;
  readonly outcome: 'ok' | 'problem' | 'not installed';
  readonly text: string;
  readonly todo?: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export const ok = (check: string, text: string): Result => ({ check, outcome: 'ok', text });
export const problem = (check: string, text: string, todo: string): Result => ({
  check,
  outcome: 'problem',
  text,
  todo,
});
export const absent = (check: string): Result => ({ check, outcome: 'not installed', text: '' });

/** For one question to the network. */
export const NETWORK_MS = 2_000;

/** The value, or null when the time is over first. `start` gets a signal that is then given. */
export async function within<T>(ms: number, start: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
  const abort = new AbortController();
  const { promise, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(() => resolve(null), ms);
  try {
    return await Promise.race([start(abort.signal), promise]);
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}
