import type { Socket } from 'node:net';
import { Inbox } from '../http1/inbox.ts';
import { type Deadline, deadlines } from './deadlines.ts';
import { unwatch, watchForReset } from './reset-watch.ts';
import { currentTurn } from './turn.ts';

/** Who reads from a wire at the moment: a head, a body, a tunnel, or nobody (between requests). */
export interface WireOwner {
  /** Bytes are in the inbox, or the peer ended its side (`wire.ended`). Take what you can. */
  onReadable(): void;
  /** The socket is closed; called once. */
  onGone(): void;
  /** The deadline set with `expireIn` has passed. */
  onDeadline(): void;
}

const LARGE_BYTES_MIN = 8 * 1024;
/** Longest that a reset waits for what was written before it. */
const RESET_MS = 800;
/** Bytes that may lie unread before the socket is paused, if no larger head may come. One read brings up to 64 KiB. */
const INBOX_BYTES_MAX = 64 * 1024;
/** The smallest TLS record that a close_notify alert fits in (RFC 8446 section 5.2: header, two bytes, type, tag) is larger than this. */
const CLOSE_NOTIFY_BYTES_MIN = 20;

/**
 * One socket, TCP or TLS, with back-pressure in both directions and a deadline. The socket keeps being read while nobody takes bytes (up to a
 * bound), so that a peer that leaves is noticed at once. Nothing here knows HTTP.
 */
export class Wire implements Deadline {
  readonly socket: Socket;
  readonly inbox = new Inbox();
  dueMs = Number.POSITIVE_INFINITY;
  /** The peer ended its side: what is in the inbox is the last. */
  ended = false;
  /**
   * On TLS: the end came without close_notify, so it was no decision of the peer's program (RFC 8446 section 6.1): the peer is gone, or
   * somebody cut the connection. On TCP an end is always orderly; there it cannot be told apart.
   */
  endedAbruptly = false;
  /** The socket is closed. */
  gone = false;
  /** Why, if it was an error. */
  error: Error | null = null;
  /** `reset` was called: nothing more may be written, and nobody is told of anything. */
  resetting = false;
  #owner: WireOwner | null = null;
  #inboxBytesMax = INBOX_BYTES_MAX;
  #paused = false;
  #noticesResets = false;
  #corked = false;
  #drained: (() => void) | null = null;
  readonly #raw: Socket | null;
  #markedTurn = -1;
  #markedRawBytes = 0;
  readonly #listeners = {
    data: (chunk: Buffer) => this.#onData(chunk),
    end: () => this.#onEnd(),
    drain: () => this.#onDrain(),
    close: () => this.#onClose(),
  };

  /** @param raw the TCP socket under a TLS socket */
  constructor(socket: Socket, raw: Socket | null = null) {
    this.socket = socket;
    this.#raw = raw;
    socket.on('error', (error) => {
      this.error = error;
    });
    socket.on('data', this.#listeners.data);
    socket.on('end', this.#listeners.end);
    socket.on('drain', this.#listeners.drain);
    socket.on('close', this.#listeners.close);
    deadlines.add(this);
    // Whoever read it before has left it paused, so that nothing is lost in between.
    if (socket.isPaused()) socket.resume();
  }

  /** Lets a head of so many bytes arrive whole, and one byte more of a larger one, which must be seen to be larger. */
  makeRoomFor(headBytes: number): void {
    this.#inboxBytesMax = Math.max(INBOX_BYTES_MAX, headBytes + 1);
  }

  /** Makes `owner` the one that is told; null to keep bytes until somebody wants them. */
  give(owner: WireOwner | null): void {
    this.#owner = owner;
  }

  get owner(): WireOwner | null {
    return this.#owner;
  }

  /** What has arrived so far is all that is expected: an end that follows is told apart from an orderly one by what comes with it. */
  expectEnd(): void {
    if (this.#raw === null) return;
    this.#markedTurn = currentTurn();
    this.#markedRawBytes = this.#raw.bytesRead;
  }

  /**
   * A reset is noticed also while the socket is paused, and ends it although bytes of the peer's lie unread. For clients, who have no use of an
   * answer then; what an upstream sent before its reset can be a whole answer.
   */
  noticeResets(): void {
    this.#noticesResets = true;
  }

  /** Lets the owner look at what is already there, and reads on if the socket was paused. */
  wake(): void {
    if (this.inbox.length > 0 || this.ended) this.#owner?.onReadable();
    this.#adjust();
  }

  /** Milliseconds until `onDeadline`; replaces the deadline that was set. */
  expireIn(ms: number): void {
    this.dueMs = deadlines.nowMs() + ms;
  }

  expireNever(): void {
    this.dueMs = Number.POSITIVE_INFINITY;
  }

  onDue(): void {
    if (this.resetting) this.#resetNow();
    else if (this.#owner === null) this.destroy();
    else this.#owner.onDeadline();
  }

  /**
   * Writes bytes; small ones leave at the end of this turn, large ones at once, since joining them with others would copy them.
   * False: use `whenDrained` before writing more.
   */
  write(bytes: Buffer): boolean {
    if (bytes.length < LARGE_BYTES_MIN) this.#cork();
    const more = this.socket.write(bytes);
    if (bytes.length >= LARGE_BYTES_MIN) this.uncork();
    return more;
  }

  /** Writes text of one character a byte. */
  writeText(text: string): boolean {
    this.#cork();
    return this.socket.write(text, 'latin1');
  }

  /** So much is written and has not left that `whenDrained` should be waited for. */
  get isFull(): boolean {
    return this.socket.writableNeedDrain;
  }

  /** Calls back once, when what was written has left. */
  whenDrained(callback: () => void): void {
    this.#drained = callback;
  }

  /** Ends our side after what was written; the peer may still send. */
  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Closes once everything that was written has left. */
  destroyAfterWrites(): void {
    this.socket.destroySoon();
  }

  /**
   * Closes, after what was written has left, so that the peer cannot take what it got for complete: a reset on TCP; on TLS an end without
   * close_notify.
   */
  reset(): void {
    this.resetting = true;
    this.#owner = null;
    this.expireIn(RESET_MS);
    if (this.socket.writableLength === 0) this.#resetNow();
    else this.socket.write('', () => this.#resetNow());
  }

  /** The wire gives its socket away (to TLS): nothing is read or watched here any more. What was unread goes back into the socket. */
  release(): void {
    this.#owner = null;
    deadlines.delete(this);
    this.#unwatch();
    this.uncork();
    this.socket.off('data', this.#listeners.data);
    this.socket.off('end', this.#listeners.end);
    this.socket.off('drain', this.#listeners.drain);
    this.socket.off('close', this.#listeners.close);
    this.socket.pause();
    if (this.inbox.length > 0) this.socket.unshift(this.inbox.takeAll());
  }

  /** Sends what was written in this turn. */
  uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.socket.uncork();
  }

  /**
   * What is written in one turn of the event loop leaves together at its end: the pieces of a message in one TLS record and one system call, and
   * the writes of all connections one after another. Their readers are then awake for the next ones, where a reader that fell asleep in
   * between costs us waking it: measured with 32 connections, a fifth of the CPU of a request.
   */
  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.socket.cork();
    if (corked.push(this) === 1) setImmediate(uncorkAll);
  }

  #resetNow(): void {
    if (this.#raw !== null || this.socket.remoteAddress === undefined) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  #onData(chunk: Buffer): void {
    this.inbox.push(chunk);
    this.#owner?.onReadable();
    this.#adjust();
  }

  #onEnd(): void {
    this.ended = true;
    this.endedAbruptly = !this.#sawCloseNotify();
    this.#owner?.onReadable();
  }

  /**
   * Node tells of an end in the same way with and without close_notify, but the alert is bytes: bytes after the mark, or else of the turn of
   * the mark, where they cannot be told from the data. Both count as orderly.
   */
  #sawCloseNotify(): boolean {
    if (this.#raw === null || this.#markedTurn === currentTurn()) return true;
    return this.#raw.bytesRead - this.#markedRawBytes >= CLOSE_NOTIFY_BYTES_MIN;
  }

  #onDrain(): void {
    const callback = this.#drained;
    this.#drained = null;
    callback?.();
  }

  #adjust(): void {
    const full = this.inbox.length >= this.#inboxBytesMax;
    if (full === this.#paused) return;
    this.#paused = full;
    if (full) this.socket.pause();
    else this.socket.resume();
    if (full && this.#noticesResets) watchForReset(this.#raw ?? this.socket);
    else this.#unwatch();
  }

  #unwatch(): void {
    if (this.#noticesResets) unwatch(this.#raw ?? this.socket);
  }

  #onClose(): void {
    this.gone = true;
    this.ended = true;
    deadlines.delete(this);
    this.#unwatch();
    const owner = this.#owner;
    this.#owner = null;
    this.#drained = null;
    owner?.onGone();
  }
}

/** Wires with something to send at the end of this turn. */
let corked: Wire[] = [];

function uncorkAll(): void {
  const wires = corked;
  corked = [];
  for (const wire of wires) wire.uncork();
}
