import { errorCode, ProxyError } from '../errors.ts';
import type { TunnelKind } from '../policy/decision.ts';
import {
  CHOSEN_NONE,
  CHOSEN_PASSWORD,
  CREDENTIALS_RIGHT,
  CREDENTIALS_WRONG,
  NONE_ACCEPTABLE,
  REPLY,
  replyBytes,
  replyOf,
} from '../socks5/answers.ts';
import { type SocksMessage, SocksReader } from '../socks5/reader.ts';
import { closeGently } from '../wire/close.ts';
import type { Wire, WireOwner } from '../wire/wire.ts';
import type { TunnelClient } from './opening.ts';

/** The client's side of a SOCKS5 connection until its tunnel is open: one message after another, and the answer to each. */
export class SocksClient implements WireOwner, TunnelClient {
  readonly kind: TunnelKind = 'socks';
  readonly wire: Wire;
  readonly #reader = new SocksReader();
  /** What the client waits for; a refusal is spelled by it. */
  #stage: 'method' | 'verdict' | 'reply' = 'method';
  #waiting: ((message: SocksMessage | 'left' | 'late') => void) | null = null;
  #abort: (() => void) | null = null;

  /** @param limitMs for all that the client has to say before its request is whole */
  constructor(wire: Wire, limitMs: number) {
    this.wire = wire;
    wire.give(this);
    wire.expireIn(limitMs);
  }

  /** The next message; null if the client left before it was whole. Throws `REQUEST_INVALID`, `REQUEST_TIMEOUT`. */
  async next(): Promise<SocksMessage | null> {
    const message = await this.#arrival();
    if (message === 'left') return null;
    if (message === 'late')
      throw new ProxyError('REQUEST_TIMEOUT', { ...AT_THE_DOOR, reason: 'the SOCKS request did not arrive in time' });
    if (message.kind === 'request') this.wire.expireNever();
    return message;
  }

  /** Answers the greeting. */
  choose(method: 'none' | 'password'): void {
    this.wire.write(method === 'password' ? CHOSEN_PASSWORD : CHOSEN_NONE);
    this.#stage = method === 'password' ? 'verdict' : 'reply';
    this.#reader.choose(method);
  }

  /** Answers user and password that are right, or that nobody asks for. */
  acceptCredentials(): void {
    this.wire.write(CREDENTIALS_RIGHT);
    this.#stage = 'reply';
  }

  sendOpen(): void {
    this.wire.write(replyBytes(REPLY.succeeded));
  }

  /** Answers in the form that the client waits for, and closes (RFC 1928 section 6: within ten seconds). */
  refuse(error: ProxyError, reply = replyOf(error.code, error.status, errorCode(error.cause))): void {
    if (this.wire.gone) return;
    if (this.#stage === 'method') this.wire.write(NONE_ACCEPTABLE);
    else if (this.#stage === 'verdict') this.wire.write(CREDENTIALS_WRONG);
    else this.wire.write(replyBytes(reply));
    closeGently(this.wire);
  }

  onAbort(callback: () => void): void {
    this.#abort = callback;
    this.wire.give(this);
  }

  onReadable(): void {
    // What comes after the request is the tunnel's.
    if (this.#waiting === null) return;
    const message = this.#reader.next(this.wire.inbox);
    if (message !== null) this.#answer(message);
    else if (this.wire.ended) this.#answer('left');
  }

  onGone(): void {
    this.#answer('left');
    const abort = this.#abort;
    this.#abort = null;
    abort?.();
  }

  onDeadline(): void {
    this.#answer('late');
  }

  #arrival(): Promise<SocksMessage | 'left' | 'late'> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
      if (this.wire.gone) this.#answer('left');
      else this.wire.wake();
    });
  }

  #answer(message: SocksMessage | 'left' | 'late'): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.(message);
  }
}

/** Whoever is refused while it asks for a tunnel. */
export const AT_THE_DOOR = { stage: 'tunnel', side: 'client' } as const;
