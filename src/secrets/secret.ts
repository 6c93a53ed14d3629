import { createHash, timingSafeEqual } from 'node:crypto';

const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/**
 * A secret value that cannot be printed by accident. `open()` is called in `inject/` only, and a test reads the sources for it.
 * Every way to print one gives `[secret NAME]`.
 */
export class Secret {
  readonly name: string;
  readonly #value: string;

  constructor(name: string, value: string) {
    this.name = name;
    this.#value = value;
  }

  /** The value itself. Only the file that applies a plan to a request may call this. */
  open(): string {
    return this.#value;
  }

  /** In UTF-8. */
  get byteLength(): number {
    return Buffer.byteLength(this.#value);
  }

  /** Whether both hold the same value; tells a rotation from a rewrite of the same file. */
  equals(other: Secret): boolean {
    return this.#value === other.#value;
  }

  /** Whether a peer's text is this value, in time that does not depend on where they differ. */
  matches(candidate: string): boolean {
    return timingSafeEqual(digest(this.#value), digest(candidate));
  }

  /** The same value under the name that a policy gives it: sandboxes may share a source. */
  named(name: string): Secret {
    return new Secret(name, this.#value);
  }

  toString(): string {
    return `[secret ${this.name}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [INSPECT](): string {
    return this.toString();
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * The secrets of one sandbox in one generation, by the name its policy gives them.
 * A secret that could not be had is present with the reason, so that a request that needs it is answered 503 and no other is.
 */
export type Vault = ReadonlyMap<string, Secret | { readonly unavailable: string }>;
