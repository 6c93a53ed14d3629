import type { Socket } from 'node:net';
import type { ProxyError } from '../errors.ts';

export interface Patience {
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

/**
 * Waits for what `begin` waits for on a socket, its failure or end, the time limit or the abort; on failure the socket is destroyed. `begin` is
 * given what to call when it is there (null) or went wrong, and answers how to take its listeners away.
 */
export function settled<S extends Socket>(
  socket: S,
  begin: (done: (error: ProxyError | null) => void) => () => void,
  { limitMs, signal }: Patience,
  toError: (cause: unknown) => ProxyError,
): Promise<S> {
  // For the socket's whole life: an error event that nobody hears ends the process.
  socket.on('error', ignore);
  return new Promise((resolve, reject) => {
    const done = (error: ProxyError | null): void => {
      clearTimeout(timer);
      stop();
      socket.off('error', onError);
      socket.off('close', onClose);
      signal.removeEventListener('abort', onClose);
      if (error === null) {
        resolve(socket);
        return;
      }
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(() => done(toError('timeout')), limitMs);
    const onError = (error: Error): void => done(toError(error));
    const onClose = (): void => done(toError(undefined));
    const stop = begin(done);
    socket.on('error', onError);
    socket.on('close', onClose);
    signal.addEventListener('abort', onClose);
    if (signal.aborted) onClose();
  });
}

/** For `settled`: one event of the socket. */
export const onceHappens =
  (socket: Socket, event: 'connect' | 'secureConnect') =>
  (done: (error: null) => void): (() => void) => {
    const onReady = (): void => done(null);
    socket.on(event, onReady);
    return () => socket.off(event, onReady);
  };

function ignore(): void {}
