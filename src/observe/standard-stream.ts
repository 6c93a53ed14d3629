import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { errorCode } from '../errors.ts';

/**
 * A descriptor of our own for a standard stream that is a pipe or a terminal, so that it can be non-blocking without making it
 * so for whoever shares the stream: a write that blocks would hold a thread of the pool, and the exit of the process with it.
 */
export function standardStream(fd: 1 | 2): number {
  try {
    const kind = fstatSync(fd);
    if (!kind.isFIFO() && !kind.isCharacterDevice()) return fd;
    return openSync(
      `/proc/self/fd/${fd}`,
      constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
  } catch {
    return fd;
  }
}

/** Writes all of it before it returns, or as much as a busy pipe takes within the time. Never throws. */
export function writeWithin(fd: number, bytes: Buffer, timeoutMs: number): void {
  const deadlineMs = performance.now() + timeoutMs;
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if (errorCode(error) !== 'EAGAIN' || performance.now() > deadlineMs) return;
    }
  }
}
