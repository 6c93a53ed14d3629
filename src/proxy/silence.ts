import { type Deadline, deadlines } from '../wire/deadlines.ts';

/** Watches something that has no wire of its own, and says so when it has not moved for too long. */
export class Silence implements Deadline {
  dueMs: number;
  readonly onDue: () => void;
  readonly #idleMs: number;

  constructor(idleMs: number, onDue: () => void) {
    this.#idleMs = idleMs;
    this.onDue = onDue;
    this.dueMs = deadlines.nowMs() + idleMs;
    deadlines.add(this);
  }

  /** It has moved. */
  break(): void {
    this.dueMs = deadlines.nowMs() + this.#idleMs;
  }

  close(): void {
    deadlines.delete(this);
  }
}
