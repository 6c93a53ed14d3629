import type { Misplaced } from '../policy/model.ts';
import type { KnownToken } from './plan.ts';

export interface FoundToken {
  readonly token: string;
  readonly start: number;
}

/**
 * Finds placeholder tokens in text in one pass, however many the policy has (Wu and Manber, "A Fast Algorithm for Multi-Pattern
 * Searching", 1994): the last two characters of a window as long as the shortest token say how far the window may move. A text
 * without tokens is read about once in eleven characters; at worst each place costs one look-up per length that tokens have.
 */
export class TokenIndex {
  readonly #misplacedByToken: ReadonlyMap<string, Misplaced>;
  readonly #lengths: readonly number[];
  readonly #shiftByPair: Uint8Array;
  readonly #sorted: readonly string[];
  readonly #lengthMax: number;
  /** The length of the shortest token, in characters: shorter text holds none. */
  readonly lengthMin: number;

  /** @param tokens at least one, each of 12 to 128 characters, none part of another (SEMANTICS.md 7). */
  constructor(tokens: readonly KnownToken[]) {
    this.#misplacedByToken = new Map(tokens.map(({ token, misplaced }) => [token, misplaced]));
    this.#lengths = [...new Set(tokens.map(({ token }) => token.length))].sort((one, other) => one - other);
    this.lengthMin = this.#lengths[0] ?? 1;
    this.#lengthMax = this.#lengths.at(-1) ?? 1;
    this.#sorted = tokens.map(({ token }) => token).sort();
    this.#shiftByPair = new Uint8Array(PAIRS).fill(Math.min(255, this.lengthMin - 1));
    for (const { token } of tokens) this.#learn(token);
  }

  /** The first token at or after `from`. */
  find(text: string, from = 0): FoundToken | null {
    const last = this.lengthMin - 1;
    let end = from + last;
    while (end < text.length) {
      const shift = this.#shiftByPair[pairOf(text, end)] ?? 0;
      const found = shift === 0 ? this.#tokenAt(text, end - last) : null;
      if (found !== null) return found;
      end += shift === 0 ? 1 : shift;
    }
    return null;
  }

  /** Where, at or after `from`, the rest of the text could begin a token; its length if it could not. */
  prefixStart(text: string, from: number): number {
    const earliest = Math.max(from, text.length - this.#lengthMax + 1);
    let begin = text.length;
    while (begin > earliest && TOKEN_CHAR.test(text[begin - 1] ?? '')) begin--;
    for (; begin < text.length; begin++) if (this.#isPrefix(text.slice(begin))) return begin;
    return text.length;
  }

  /** What happens to a token where it is not bound. */
  misplaced(token: string): Misplaced {
    return this.#misplacedByToken.get(token) ?? 'deny';
  }

  /** By bisection: of tokens in order, the first that is not less than a prefix of one begins with it. */
  #isPrefix(text: string): boolean {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sorted[middle] ?? '') < text) low = middle + 1;
      else high = middle;
    }
    return this.#sorted[low]?.startsWith(text) ?? false;
  }

  #learn(token: string): void {
    for (let end = 1; end < this.lengthMin; end++) {
      const pair = pairOf(token, end);
      this.#shiftByPair[pair] = Math.min(this.#shiftByPair[pair] ?? 0, this.lengthMin - 1 - end);
    }
  }

  #tokenAt(text: string, start: number): FoundToken | null {
    for (const length of this.#lengths) {
      const token = text.slice(start, start + length);
      if (this.#misplacedByToken.has(token)) return { token, start };
    }
    return null;
  }
}

const TOKEN_CHAR = /[A-Za-z0-9_-]/;
const PAIRS = 4_096;

/** A number for the character before `end` and the one at it. Two pairs may share one: then the window only moves less far. */
const pairOf = (text: string, end: number): number =>
  ((text.charCodeAt(end - 1) << 5) ^ text.charCodeAt(end)) & (PAIRS - 1);

const indexByTokens = new WeakMap<readonly KnownToken[], TokenIndex>();

/** The index of a policy's tokens, made once for all its plans; null where the policy has none. */
export function tokenIndexOf(tokens: readonly KnownToken[]): TokenIndex | null {
  if (tokens.length === 0) return null;
  const known = indexByTokens.get(tokens);
  if (known !== undefined) return known;
  const made = new TokenIndex(tokens);
  indexByTokens.set(tokens, made);
  return made;
}
