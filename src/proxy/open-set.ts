import type { ProxyError } from '../errors.ts';
import type { Snapshot } from '../runtime/snapshot.ts';
import { Counts } from './counts.ts';

/** One client connection with what runs on it. */
export interface OpenConnection {
  /** The sandbox it was counted for; null before that is known. */
  readonly sandbox: string | null;
  /** Judges what runs now under another generation, lets go of the one before, and ends what may not go on. Returns how much that was. */
  judgeAgain(next: Snapshot): number;
  /** Ends it: what runs gets this error as its answer or its end. */
  cut(error: ProxyError): void;
  /** Lets what runs finish, and nothing more begin. */
  drain(): void;
}

/** All open client connections of the process (contract section 6: on a swap everything open is judged again). */
export class OpenSet {
  readonly #all = new Set<OpenConnection>();
  /** Those whose sandbox is known. */
  readonly connections = new Counts();
  /** Streams of HTTP/2: each holds as much as a connection, and a connection has many. */
  readonly streams = new Counts();
  #whenEmpty: (() => void) | null = null;
  draining = false;

  get size(): number {
    return this.#all.size;
  }

  add(connection: OpenConnection): void {
    this.#all.add(connection);
  }

  delete(connection: OpenConnection): void {
    if (!this.#all.delete(connection)) return;
    const { sandbox } = connection;
    if (sandbox !== null) this.connections.remove(sandbox);
    if (this.#all.size === 0) this.#whenEmpty?.();
  }

  /** Ends whatever the new generation would not allow. */
  judgeAgain(next: Snapshot): number {
    let cut = 0;
    for (const connection of [...this.#all]) cut += connection.judgeAgain(next);
    return cut;
  }

  /** Ends whatever a sandbox has open. */
  cutSandbox(sandbox: string, error: ProxyError): void {
    for (const connection of [...this.#all]) if (connection.sandbox === sandbox) connection.cut(error);
  }

  /** Resolves when nothing is open any more; what is still open after `limitMs` is cut with `error`. */
  async drain(limitMs: number, error: ProxyError): Promise<void> {
    this.draining = true;
    for (const connection of [...this.#all]) connection.drain();
    if (this.#all.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#whenEmpty = resolve;
    });
    const timer = setTimeout(() => {
      for (const connection of [...this.#all]) connection.cut(error);
    }, limitMs);
    await empty;
    clearTimeout(timer);
  }
}
