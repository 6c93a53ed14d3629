import type { Socket } from 'node:net';
import type { Ip } from '../address/ip.ts';
import type { ProxyError } from '../errors.ts';
import type { Patience } from './settled.ts';

/** Milliseconds before the next address is tried beside those that have not answered (RFC 8305 section 5). */
const NEXT_ADDRESS_MS = 250;
/** Addresses that are tried beside one another. The longest of more is given up. */
const RUNNERS_MAX = 8;

/**
 * The first connection to be made to one of several addresses, which are tried in turns of their families (RFC 8305): the next as soon as one has
 * failed, or has not answered for a while. The others are closed then.
 * @param toError of 'timeout', of the errors of all addresses, or of nothing where it was aborted
 */
export function firstConnected(
  addresses: readonly Ip[],
  connectTo: (ip: Ip) => Socket,
  { limitMs, signal }: Patience,
  toError: (cause: unknown) => ProxyError,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const race = new Race(addresses, connectTo, (winner, errors) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      if (winner === null) reject(toError(new AggregateError(errors)));
      else resolve(winner);
    });
    const giveUp = (cause: unknown): void => {
      race.end();
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      reject(toError(cause));
    };
    const onAbort = (): void => giveUp(undefined);
    const timer = setTimeout(() => giveUp('timeout'), limitMs);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    else race.next();
  });
}

class Race {
  readonly #left: Ip[];
  readonly #connectTo: (ip: Ip) => Socket;
  readonly #over: (winner: Socket | null, errors: readonly Error[]) => void;
  /** In the order in which they began. */
  readonly #running = new Set<Socket>();
  readonly #errors: Error[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(
    addresses: readonly Ip[],
    connectTo: (ip: Ip) => Socket,
    over: (winner: Socket | null, errors: readonly Error[]) => void,
  ) {
    this.#left = inTurns(addresses);
    this.#connectTo = connectTo;
    this.#over = over;
  }

  /** Tries the next address, if there is one; if there is none and nothing runs, all have failed. */
  next(): void {
    clearTimeout(this.#timer);
    const ip = this.#left.shift();
    if (ip === undefined) {
      if (this.#running.size === 0) this.#over(null, this.#errors);
      return;
    }
    const [longest] = this.#running;
    if (longest !== undefined && this.#running.size === RUNNERS_MAX) this.#drop(longest);
    const socket = this.#connectTo(ip);
    this.#running.add(socket);
    socket.on('error', (error) => this.#failed(socket, error));
    socket.once('connect', () => this.#won(socket));
    if (this.#left.length > 0) this.#timer = setTimeout(() => this.next(), NEXT_ADDRESS_MS);
  }

  /** Closes what runs. */
  end(): void {
    clearTimeout(this.#timer);
    for (const socket of this.#running) this.#drop(socket);
  }

  #drop(socket: Socket): void {
    this.#running.delete(socket);
    socket.destroy();
  }

  #won(socket: Socket): void {
    if (!this.#running.delete(socket)) return;
    this.end();
    this.#over(socket, []);
  }

  #failed(socket: Socket, error: Error): void {
    // One that won is somebody else's.
    if (!this.#running.delete(socket)) return;
    this.#errors.push(error);
    this.next();
  }
}

/** RFC 8305 section 4: families by turns, beginning with that of the first. */
function inTurns(addresses: readonly Ip[]): Ip[] {
  const family = addresses[0]?.family;
  const same = addresses.filter((ip) => ip.family === family);
  const other = addresses.filter((ip) => ip.family !== family);
  const turns: Ip[] = [];
  for (let at = 0; at < Math.max(same.length, other.length); at++) {
    for (const ip of [same[at], other[at]]) if (ip !== undefined) turns.push(ip);
  }
  return turns;
}
