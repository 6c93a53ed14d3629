import { createHash } from 'node:crypto';
import type { Code } from '../../src/errors.ts';
import { type Answer, single } from './answer.ts';

/** What came back is not what had to. */
export class Wrong extends Error {
  override readonly name = 'Wrong';
}

export function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Wrong(what);
}

/** A whole answer with that status, none of Postern's own. */
export function expectWhole(answer: Answer, status = 200): void {
  const code = codeOf(answer);
  check(answer.status === status && code === null, `expected ${status}, got ${answer.status} ${code ?? ''}`);
  check(answer.whole, `the answer was cut after ${answer.body.length} bytes`);
}

/** An answer of Postern's own, complete in every part of the contract's section 5. */
export function expectRefused(answer: Answer, status: number, ...codes: readonly Code[]): void {
  const code = codeOf(answer);
  check(
    answer.status === status && codes.some((one) => one === code),
    `expected ${status} ${codes.join('|')}, got ${answer.status} ${code ?? ''}`,
  );
  check(answer.whole, 'the refusal was cut');
  check(single(answer, 'x-postern-id') !== undefined, 'a refusal without an id');
  check(single(answer, 'proxy-status') !== undefined, 'a refusal without Proxy-Status');
  if (answer.body.length > 0) check(bodyCode(answer.body) === code, 'the body names another code than the field');
}

/** The code of a refusal; null for an answer of the origin. */
export const codeOf = (answer: Pick<Answer, 'fields'>): string | null => single(answer, 'x-postern-error') ?? null;

function bodyCode(body: Buffer): unknown {
  const parsed: unknown = JSON.parse(body.toString());
  const error = parsed !== null && typeof parsed === 'object' && 'error' in parsed ? parsed.error : null;
  return error !== null && typeof error === 'object' && 'code' in error ? error.code : null;
}

export const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');
