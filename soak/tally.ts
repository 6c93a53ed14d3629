/** How often each kind and disturbance went well, and what went wrong. */
export class Tally {
  readonly done = new Map<string, number>();
  readonly failures: string[] = [];

  wentWell(name: string): void {
    this.done.set(name, (this.done.get(name) ?? 0) + 1);
  }

  failed(name: string, error: unknown, seconds: number): void {
    const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.failures.push(`${seconds.toFixed(1)} s  ${name}: ${why.slice(0, 500)}`);
  }

  get total(): number {
    return [...this.done.values()].reduce((sum, count) => sum + count, 0);
  }
}
