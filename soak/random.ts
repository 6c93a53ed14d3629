/** Seeded choices (mulberry32), so that a run can be repeated with the same mix. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number from `low` to `high`, both possible. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  one<T>(things: readonly [T, ...T[]]): T {
    return things[this.between(0, things.length - 1)] ?? things[0];
  }

  /** One of the things, each as often as its weight says. */
  weighted<T extends { readonly weight: number }>(things: readonly T[]): T | undefined {
    let at = this.next() * things.reduce((sum, { weight }) => sum + weight, 0);
    for (const thing of things) {
      at -= thing.weight;
      if (at < 0) return thing;
    }
    return things.at(-1);
  }
}
