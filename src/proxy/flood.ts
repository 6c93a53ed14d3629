const WINDOW_MS = 1_000;

/** Counts frames that cost their sender nothing, and acts when too many came within a second. */
export class Flood<Kind extends string> {
  readonly #onFlood: () => void;
  readonly #countByKind = new Map<Kind, number>();
  #sinceMs = 0;

  constructor(onFlood: () => void) {
    this.#onFlood = onFlood;
  }

  count(kind: Kind, perSecondMax: number): void {
    const nowMs = performance.now();
    if (nowMs - this.#sinceMs > WINDOW_MS) {
      this.#countByKind.clear();
      this.#sinceMs = nowMs;
    }
    const count = (this.#countByKind.get(kind) ?? 0) + 1;
    this.#countByKind.set(kind, count);
    if (count > perSecondMax) this.#onFlood();
  }
}
