/** How many of something each sandbox has open, and all of them together. */
export class Counts {
  readonly #bySandbox = new Map<string, number>();
  total = 0;

  of(sandbox: string): number {
    return this.#bySandbox.get(sandbox) ?? 0;
  }

  add(sandbox: string): void {
    this.#bySandbox.set(sandbox, this.of(sandbox) + 1);
    this.total++;
  }

  remove(sandbox: string): void {
    const left = this.of(sandbox) - 1;
    if (left > 0) this.#bySandbox.set(sandbox, left);
    else this.#bySandbox.delete(sandbox);
    this.total--;
  }
}
