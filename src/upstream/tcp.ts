import { connect, type Socket } from 'node:net';
import type { Ip } from '../address/ip.ts';
import { errorCode, ProxyError } from '../errors.ts';
import { fault } from './fault.ts';
import { firstConnected } from './race.ts';
import { onceHappens, type Patience, settled } from './settled.ts';

export interface TcpTarget {
  /** As reasons call it. */
  readonly shown: string;
  readonly port: number;
  /** Judged, in order. */
  readonly addresses: readonly Ip[];
}

/** What the system answers when this machine or process has no more of something: descriptors, ports of its own, memory. */
const EXHAUSTED: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'EAGAIN', 'ENOBUFS', 'ENOMEM']);

/** Connects to one of the addresses. Rejects with `CONNECT_FAILED`, `CONNECT_TIMEOUT` or `OVERLOADED`. */
export function connected(target: TcpTarget, patience: Patience): Promise<Socket> {
  const { shown, port, addresses } = target;
  const toError = (cause: unknown): ProxyError => {
    if (cause === 'timeout') return fault('CONNECT_TIMEOUT', `${shown} did not accept a connection in time`, true);
    if (isExhausted(cause)) return exhausted(cause);
    return fault('CONNECT_FAILED', `no connection to ${shown} could be made`, true, cause);
  };
  const connectTo = (ip: Ip): Socket =>
    connect({ host: ip.text, port, noDelay: true, keepAlive: true, allowHalfOpen: true });
  const [only] = addresses;
  if (addresses.length > 1 || only === undefined) return firstConnected(addresses, connectTo, patience, toError);
  const socket = connectTo(only);
  return settled(socket, onceHappens(socket, 'connect'), patience, toError);
}

/** The address judged is the address dialled (contract promise 4). Nothing may come between the two. */
export function assertDialled(socket: Socket, addresses: readonly Ip[]): void {
  const { remoteAddress } = socket;
  if (addresses.some((ip) => ip.text === remoteAddress)) return;
  socket.destroy();
  // The kernel forgets the address of a connection that was reset the moment it was made.
  if (remoteAddress === undefined)
    throw fault('CONNECT_FAILED', 'the connection was closed as soon as it was made', true);
  throw new ProxyError('INTERNAL', {
    stage: 'dispatch',
    side: 'proxy',
    reason: 'the address dialled is not the address judged',
  });
}

/** Where several addresses were tried, it is one error with those of all. */
function isExhausted(cause: unknown): boolean {
  const causes: readonly unknown[] = cause instanceof AggregateError ? cause.errors : [cause];
  return causes.some((each) => EXHAUSTED.has(errorCode(each)));
}

function exhausted(cause: unknown): ProxyError {
  const reason = `the proxy cannot open another connection (${errorCode(cause)})`;
  return new ProxyError('OVERLOADED', { stage: 'dispatch', side: 'proxy', reason, retryable: true, cause });
}
