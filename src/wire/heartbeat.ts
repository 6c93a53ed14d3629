import { constants, type Http2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { type Deadline, deadlines } from './deadlines.ts';
import { breakSession } from './h2-session.ts';
import { lookForReset } from './reset-watch.ts';

export interface Beat {
  /** Milliseconds of silence, before the peer is asked. */
  readonly silentMs: number;
  /** Milliseconds for any byte of its, after it was asked. */
  readonly answerMs: number;
  /** Whether anybody waits for something on the connection. */
  readonly isBusy: () => boolean;
}

/** While a connection that is waited for is silent. */
const LOOK_MS = 1_000;

/**
 * Tells whether the peer of an HTTP/2 connection is still there: TCP says nothing of a peer that vanished while nothing is sent to it, and nothing of
 * one that hangs. A connection that was silent for `silentMs` is pinged (RFC 9113 section 6.7), and destroyed if no byte comes for `answerMs`.
 *
 * And a session of Node's that writes just when its connection is reset can be left waiting for that write, and reads nothing meanwhile: it never
 * hears of the reset. So a busy one that is silent is looked at more often.
 */
export class Heartbeat implements Deadline {
  dueMs = Number.POSITIVE_INFINITY;
  readonly #session: Http2Session;
  readonly #raw: Socket;
  readonly #beat: Beat;
  #bytesSeen = 0;
  #isAsking = false;
  /** When it was heard of, or asked. */
  #sinceMs = deadlines.nowMs();

  /** @param raw the TCP socket at the bottom, whose count of bytes is the sign of life */
  constructor(session: Http2Session, raw: Socket, beat: Beat) {
    this.#session = session;
    this.#raw = raw;
    this.#beat = beat;
    deadlines.add(this);
    this.#wait();
    session.once('close', () => deadlines.delete(this));
  }

  /** Asks now, if it is not asking already. */
  ask(): void {
    if (this.#isAsking) return;
    this.#bytesSeen = this.#raw.bytesRead;
    this.#ping();
  }

  onDue(): void {
    const { silentMs, answerMs, isBusy } = this.#beat;
    // It was ended, and waits for a write that nobody takes.
    if (this.#session.destroyed) {
      this.#raw.destroy();
      return;
    }
    this.#wait();
    if (this.#isHeard()) return;
    const quietMs = deadlines.nowMs() - this.#sinceMs;
    if (this.#isAsking && quietMs >= answerMs) breakSession(this.#session, this.#raw, constants.NGHTTP2_CONNECT_ERROR);
    else if (!this.#isAsking && quietMs >= silentMs) this.#ping();
    else if (isBusy()) lookForReset(this.#raw);
  }

  #isHeard(): boolean {
    const { bytesRead } = this.#raw;
    if (bytesRead === this.#bytesSeen) return false;
    this.#bytesSeen = bytesRead;
    this.#isAsking = false;
    this.#sinceMs = deadlines.nowMs();
    return true;
  }

  #ping(): void {
    if (this.#session.destroyed) return;
    this.#isAsking = true;
    this.#sinceMs = deadlines.nowMs();
    this.#wait();
    this.#session.ping(ignore);
  }

  #wait(): void {
    const { silentMs, answerMs } = this.#beat;
    this.dueMs = deadlines.nowMs() + Math.min(LOOK_MS, this.#isAsking ? answerMs : silentMs);
  }
}

function ignore(): void {}
