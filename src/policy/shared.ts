/**
 * Values that are equal, made once: thousands of rules of one policy have the same few lists of methods, paths and fields. It lives as
 * long as the policy and holds nothing that a request chose.
 */
export class Shared<T> {
  readonly #valueByKey = new Map<string, T>();

  /** The value of this key; `make` is called the first time only. */
  of(key: string, make: () => T): T {
    const known = this.#valueByKey.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.#valueByKey.set(key, made);
    return made;
  }
}

/** For the many lists that are empty. */
export const NONE: readonly never[] = [];
