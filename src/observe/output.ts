import { close, constants, fstat, fstatSync, open, openSync, stat, write, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { errorCode } from '../errors.ts';

export type Written = (error: NodeJS.ErrnoException | null, bytes: number) => void;

/** A descriptor that bytes go to. None of them blocks: a write that waits for a reader would hold a thread, and the exit of the process. */
export interface Output {
  readonly fd: number;
  /** Writes at least the first byte of what it is given, and says how many. One call at a time. */
  write(bytes: Buffer, written: Written): void;
  /** A standard stream stays open, for whoever else writes there. */
  close(): void;
}

/** Non-blocking also for a path, since it may be a pipe. */
const FILE_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
const FILE_MODE = 0o600;

/** Opens a file to append to. Throws the system's error. */
export const openFile = (path: string): Output => fileOutput(openSync(path, FILE_FLAGS, FILE_MODE));

/** As `openFile`, without holding the thread. */
export function openFileLater(
  path: string,
  opened: (error: NodeJS.ErrnoException | null, output: Output) => void,
): void {
  open(path, FILE_FLAGS, FILE_MODE, (error, fd) => opened(error, fileOutput(fd)));
}

/**
 * Standard output or error. A pipe or terminal is opened anew, so that it can be non-blocking without making it so for whoever shares it.
 * Where that is not possible (a socket, as systemd gives; a pipe of another user, as Docker gives), it is made so as Node does for
 * `process.stdout`. Files never block.
 */
export function openStandardStream(fd: 1 | 2): Output {
  try {
    const kind = fstatSync(fd);
    if (kind.isSocket()) return socketOutput(fd);
    if (!kind.isFIFO() && !kind.isCharacterDevice()) return sharedOutput(fd);
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK | constants.O_NOCTTY;
    return fileOutput(openSync(`/proc/self/fd/${fd}`, flags));
  } catch {
    return isPipe(fd) ? socketOutput(fd) : sharedOutput(fd);
  }
}

const fileOutput = (fd: number): Output => ({ ...sharedOutput(fd), close: () => close(fd, () => {}) });

const sharedOutput = (fd: number): Output => ({
  fd,
  write: (bytes, written) => write(fd, bytes, written),
  close: () => {},
});

function socketOutput(fd: number): Output {
  const socket = new Socket({ fd, readable: false, writable: true });
  let isWriting = false;
  // What failed is told to the callback of the write.
  socket.on('error', () => {});
  socket.unref();
  return {
    fd,
    write(bytes, written) {
      isWriting = true;
      socket.write(bytes, (error) => {
        isWriting = false;
        written(error ?? null, bytes.length);
      });
    },
    close() {
      // A write that nobody takes would keep the process alive.
      if (isWriting) socket.destroy();
    },
  };
}

function isPipe(fd: number): boolean {
  try {
    return fstatSync(fd).isFIFO();
  } catch {
    return false;
  }
}

/** Tells whether a path leads to another file than the output by now, or to none: log rotation has moved the file away. */
export function isElsewhere(path: string, output: Output, tell: (elsewhere: boolean) => void): void {
  stat(path, (error, onDisk) => {
    if (error !== null) return tell(errorCode(error) === 'ENOENT');
    fstat(output.fd, (failed, held) => tell(failed === null && (held.ino !== onDisk.ino || held.dev !== onDisk.dev)));
  });
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
