import type { Target } from './target.ts';

/** An input that shows a mistake. */
export interface Failure {
  readonly input: Buffer;
  readonly message: string;
  /** The same for two inputs that show the same mistake: what was thrown, and where. */
  readonly signature: string;
}

const ATTEMPTS_MAX = 3_000;

/** What is wrong with this input; null if nothing is. */
export function failureOf(target: Target, input: Buffer): Failure | null {
  try {
    target.check(input);
    return null;
  } catch (error) {
    const { name, message, stack = '' } = error instanceof Error ? error : new Error(String(error));
    const place = /\n {4}at .*?([^/\s(]+:\d+:\d+)/.exec(stack.slice(stack.indexOf('\n    at ')))?.[1] ?? '';
    const [what = ''] = message.split('\n');
    return { input, message: stack === '' ? message : stack, signature: `${name} ${place} ${what.slice(0, 60)}` };
  }
}

/** A shorter input that shows the same mistake: pieces are left out, from halves down to bytes, as long as it does. */
export function shrink(target: Target, failure: Failure, onInput: (input: Buffer) => void): Failure {
  let best = failure;
  let attempts = 0;
  for (let size = best.input.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < best.input.length && attempts < ATTEMPTS_MAX; ) {
      const shorter = Buffer.concat([best.input.subarray(0, at), best.input.subarray(at + size)]);
      onInput(shorter);
      attempts++;
      const found = failureOf(target, shorter);
      if (found?.signature === best.signature) best = found;
      else at += size;
    }
  }
  return best;
}
