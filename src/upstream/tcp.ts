import { connect, type LookupFunction, type Socket, type TcpNetConnectOpts } from 'node:net';
import type { Ip } from '../address/ip.ts';
import { errorCode, ProxyError } from '../errors.ts';
import { fault } from './fault.ts';
import { onceHappens, type Patience, settled } from './settled.ts';

export interface TcpTarget {
  /** As reasons call it. */
  readonly shown: string;
  readonly port: number;
  /** Judged, in order. */
  readonly addresses: readonly Ip[];
}

/** Milliseconds before the next address is tried in place of the one that has not answered. RFC 8305 section 5 has both go on, which Node has not. */
const NEXT_ADDRESS_MS = 250;

/** What the system answers when this machine or process has no more of something: descriptors, ports of its own, memory. */
const EXHAUSTED: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'EAGAIN', 'ENOBUFS', 'ENOMEM']);

/** Connects to one of the addresses. Rejects with `CONNECT_FAILED`, `CONNECT_TIMEOUT` or `OVERLOADED`. */
export function connected(target: TcpTarget, patience: Patience): Promise<Socket> {
  const socket = connect(tcpOptions(target));
  return settled(socket, onceHappens(socket, 'connect'), patience, (cause) => {
    if (cause === 'timeout')
      return fault('CONNECT_TIMEOUT', `${target.shown} did not accept a connection in time`, true);
    if (isExhausted(cause)) return exhausted(cause);
    return fault('CONNECT_FAILED', `no connection to ${target.shown} could be made`, true, cause);
  });
}

function tcpOptions({ addresses, port }: TcpTarget): TcpNetConnectOpts {
  const [only] = addresses;
  const common = { port, noDelay: true, keepAlive: true, allowHalfOpen: true } as const;
  if (addresses.length === 1 && only !== undefined) return { ...common, host: only.text };
  // Node tries the addresses that `lookup` answers one after another, families taken in turns, and drops the losers.
  const lookup: LookupFunction = (_host, _options, answer) => {
    answer(
      null,
      addresses.map((ip) => ({ address: ip.text, family: ip.family })),
    );
  };
  return {
    ...common,
    host: 'judged.invalid',
    lookup,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
  };
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

/** Where several addresses were tried, Node gives one error with those of all. */
function isExhausted(cause: unknown): boolean {
  const causes: readonly unknown[] = cause instanceof AggregateError ? cause.errors : [cause];
  return causes.some((each) => EXHAUSTED.has(errorCode(each)));
}

function exhausted(cause: unknown): ProxyError {
  const reason = `the proxy cannot open another connection (${errorCode(cause)})`;
  return new ProxyError('OVERLOADED', { stage: 'dispatch', side: 'proxy', reason, retryable: true, cause });
}
