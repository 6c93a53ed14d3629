import { constants, type Http2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { type Deadline, deadlines } from './deadlines.ts';
import { breakSession } from './h2-session.ts';

/** Milliseconds. */
export interface Beat {
  /** Of silence, before the peer is asked. */
  readonly silentMs: number;
  /** For any byte of its, after it was asked. */
  readonly answerMs: number;
}

/**
 * Tells whether the peer of an HTTP/2 connection is still there: TCP says nothing of a peer that vanished while nothing is sent to it, and nothing of
 * one that hangs. A connection that was silent for `silentMs` is pinged (RFC 9113 section 6.7), and destroyed if no byte comes for `answerMs`.
 */
export class Heartbeat implements Deadline {
  dueMs = Number.POSITIVE_INFINITY;
  readonly #session: Http2Session;
  readonly #raw: Socket;
  readonly #beat: Beat;
  #bytesSeen = 0;
  #isAsking = false;

  /** @param raw the TCP socket at the bottom, whose count of bytes is the sign of life */
  constructor(session: Http2Session, raw: Socket, beat: Beat) {
    this.#session = session;
    this.#raw = raw;
    this.#beat = beat;
    deadlines.add(this);
    this.#wait(beat.silentMs);
    session.once('close', () => deadlines.delete(this));
  }

  /** Asks now, if it is not asking already. */
  ask(): void {
    if (this.#isAsking) return;
    this.#bytesSeen = this.#raw.bytesRead;
    this.#ping();
  }

  onDue(): void {
    // It was ended, and waits for a write that nobody takes.
    if (this.#session.destroyed) this.#raw.destroy();
    else if (this.#isHeard()) this.#wait(this.#beat.silentMs);
    else if (this.#isAsking) breakSession(this.#session, this.#raw, constants.NGHTTP2_CONNECT_ERROR);
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
    this.#wait(this.#beat.answerMs);
    this.#session.ping(ignore);
  }

  #wait(ms: number): void {
    this.dueMs = deadlines.nowMs() + ms;
  }
}

function ignore(): void {}
