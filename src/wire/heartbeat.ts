import type { Http2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { type Deadline, deadlines } from './deadlines.ts';

/** A ping that is not answered for so long has shown that nobody is there. */
const ANSWER_MS = 15_000;

/**
 * Tells whether the peer of an HTTP/2 connection is still there: TCP says nothing of a peer that vanished while nothing is sent to it, and nothing of
 * one that hangs. A connection that was silent for `silentMs` is pinged (RFC 9113 section 6.7), and destroyed if no byte comes for `ANSWER_MS`.
 */
export class Heartbeat implements Deadline {
  dueMs: number;
  readonly #session: Http2Session;
  readonly #raw: Socket;
  readonly #silentMs: number;
  #bytesSeen = 0;
  #isAsking = false;

  /** @param raw the TCP socket at the bottom, whose count of bytes is the sign of life */
  constructor(session: Http2Session, raw: Socket, silentMs: number) {
    this.#session = session;
    this.#raw = raw;
    this.#silentMs = silentMs;
    this.dueMs = deadlines.nowMs() + silentMs;
    deadlines.add(this);
    session.once('close', () => deadlines.delete(this));
  }

  /** Asks now, unless bytes have come since it last looked. */
  ask(): void {
    if (!this.#isAsking && !this.#isHeard()) this.#ping();
  }

  onDue(): void {
    if (this.#isHeard()) this.#wait(this.#silentMs);
    else if (this.#isAsking) this.#session.destroy();
    else this.#ping();
  }

  #isHeard(): boolean {
    const { bytesRead } = this.#raw;
    if (bytesRead === this.#bytesSeen) return false;
    this.#bytesSeen = bytesRead;
    this.#isAsking = false;
    return true;
  }

  #ping(): void {
    if (this.#session.destroyed) return;
    this.#isAsking = true;
    this.#wait(ANSWER_MS);
    this.#session.ping(ignore);
  }

  #wait(ms: number): void {
    this.dueMs = deadlines.nowMs() + ms;
  }
}

function ignore(): void {}
