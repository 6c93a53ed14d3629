/** A secret whose value changes while the run goes on. */
export class Rotating {
  readonly #values: string[] = [];
  /** The newest value that a reload has confirmed: no request that begins after it may carry an older one. */
  confirmed = 0;

  /** A new value, which may be in force from now on. */
  next(): string {
    const value = `soak-rotating-${String(this.#values.length).padStart(8, '0')}-9f3b1c`;
    this.#values.push(value);
    return value;
  }

  /** The newest is in force. */
  confirm(): void {
    this.confirmed = this.#values.length - 1;
  }

  get newest(): number {
    return this.#values.length - 1;
  }

  /** Which one it is; -1 for what never was a value. */
  indexOf(value: string): number {
    return this.#values.indexOf(value);
  }
}

/** What the origin accepts, and what Postern is given. No client of the run ever sends one of these. */
export class Credentials {
  readonly fixed = 'soak-credential-0123456789-abcdef';
  readonly inBody = 'soak-body "quoted" & 100%-secret';
  readonly admin = 'soak-admin-token-0123456789';
  readonly token = 'soak-sandbox-token-0123456789';
  readonly rotating = new Rotating();

  isValid(value: string): boolean {
    return value === this.fixed || this.rotating.indexOf(value) >= 0;
  }
}
