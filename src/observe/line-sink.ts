import { errorCode } from '../errors.ts';
import { isElsewhere, type Output, openFile, openFileLater, openStandardStream, writeWithin } from './output.ts';

/** A chunk goes to the system when this many characters wait, or after `DELAY_MS`, whichever comes first: no write call per line. */
const CHUNK_LENGTH = 64 * 1024;
const DELAY_MS = 50;
/** A full pipe is tried again after this, a failing disk after `FAILED_RETRY_MS`. */
const BUSY_RETRY_MS = 50;
const FAILED_RETRY_MS = 1_000;
/** How often the path is looked at, while lines are being written, to find that it was rotated away. */
const ROTATION_CHECK_MS = 1_000;
/** What may wait while nothing can be written; lines beyond it are dropped and counted. */
const PENDING_LENGTH_MAX = 4 * 1024 * 1024;
/** Longest that the exit of the process waits for a busy pipe. */
const EXIT_WAIT_MS = 200;

export interface LineSinkOptions {
  /** `stdout`, `stderr`, or the path of a file that is appended to. */
  readonly target: string;
  readonly pendingLengthMax?: number;
  /** Told when writing begins to fail (the system's error code) and when it works again (null). Once each. */
  readonly onHealth?: (failure: string | null) => void;
}

/**
 * Where lines leave the process: in batches, without blocking, with bounded memory. `write` never throws and never waits; a line
 * that cannot be kept is counted in `dropped`. A full disk is tried again; a file that was rotated away is opened anew.
 */
export class LineSink {
  readonly #path: string | null;
  readonly #pendingLengthMax: number;
  readonly #onHealth: (failure: string | null) => void;
  readonly #atExit = () => this.flushNow();
  #output: Output;
  #pending = '';
  #pendingLines = 0;
  #chunk: Buffer | null = null;
  #chunkAt = 0;
  #chunkLines = 0;
  #inFlight = false;
  #timer: NodeJS.Timeout | null = null;
  #failure: string | null = null;
  /** The reader of a pipe is gone for good. */
  #dead = false;
  #closed = false;
  #reopenWanted = false;
  #rotationCheckedMs = 0;
  #dropped = 0;
  #waiting: (() => void)[] = [];

  /** Throws the system's error if the file cannot be opened. */
  constructor(options: LineSinkOptions) {
    const { target } = options;
    this.#path = target === 'stdout' || target === 'stderr' ? null : target;
    this.#output = this.#path === null ? openStandardStream(target === 'stdout' ? 1 : 2) : openFile(this.#path);
    this.#pendingLengthMax = options.pendingLengthMax ?? PENDING_LENGTH_MAX;
    this.#onHealth = options.onHealth ?? (() => {});
    process.on('exit', this.#atExit);
  }

  /** Lines lost since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** False while lines cannot be written, or so many wait that the next may be lost. */
  get healthy(): boolean {
    return this.#failure === null && this.#pending.length * 2 < this.#pendingLengthMax;
  }

  /** The line with its final newline. */
  write(line: string): void {
    if (this.#dead || this.#closed || this.#pending.length + line.length > this.#pendingLengthMax) {
      this.#dropped++;
      return;
    }
    this.#pending += line;
    this.#pendingLines++;
    if (this.#chunk !== null) return;
    if (this.#pending.length >= CHUNK_LENGTH) this.#pump();
    else this.#later(DELAY_MS);
  }

  /** Opens the file anew, as log rotation wants it; nothing for a standard stream. */
  reopen(): void {
    if (this.#path === null || this.#closed) return;
    this.#reopenWanted = true;
    if (!this.#inFlight) this.#reopenNow();
  }

  /** Resolves when all lines given so far are written, or cannot be, or the time is over. */
  async flush(timeoutMs: number): Promise<void> {
    if (this.#idle) return;
    this.#pump();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Writes what waits before it returns: for the exit of the process, which allows nothing asynchronous. */
  flushNow(): void {
    // A chunk that the system is writing at this moment would be written twice.
    const started = this.#inFlight ? [] : [this.#chunk?.subarray(this.#chunkAt) ?? Buffer.alloc(0)];
    const rest = Buffer.concat([...started, Buffer.from(this.#pending)]);
    if (this.#dead || this.#closed || rest.length === 0) return;
    this.#forget();
    writeWithin(this.#output.fd, rest, EXIT_WAIT_MS);
  }

  async close(timeoutMs: number): Promise<void> {
    await this.flush(timeoutMs);
    process.off('exit', this.#atExit);
    this.#closed = true;
    this.#settle();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#output.close();
  }

  get #idle(): boolean {
    return this.#dead || this.#closed || (this.#chunk === null && this.#pending === '');
  }

  #later(delayMs: number): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#pump();
    }, delayMs);
    this.#timer.unref();
  }

  #pump(): void {
    if (this.#inFlight || this.#closed || this.#dead) return;
    this.#chunk ??= this.#takePending();
    if (this.#chunk.length === 0) {
      this.#chunk = null;
      this.#settle();
      return;
    }
    this.#checkRotation();
    this.#inFlight = true;
    this.#output.write(this.#chunk.subarray(this.#chunkAt), (error, bytes) => {
      this.#inFlight = false;
      this.#wrote(error, bytes);
    });
  }

  #takePending(): Buffer {
    const chunk = Buffer.from(this.#pending);
    this.#chunkAt = 0;
    this.#chunkLines = this.#pendingLines;
    this.#pending = '';
    this.#pendingLines = 0;
    return chunk;
  }

  #wrote(error: NodeJS.ErrnoException | null, bytes: number): void {
    if (this.#closed) return;
    if (error !== null) this.#failed(error);
    else this.#advance(bytes);
    if (this.#reopenWanted && !this.#inFlight) this.#reopenNow();
  }

  #advance(bytes: number): void {
    this.#report(null);
    this.#chunkAt += bytes;
    if (this.#chunk !== null && this.#chunkAt >= this.#chunk.length) this.#chunk = null;
    if (this.#chunk !== null || this.#pending.length >= CHUNK_LENGTH || this.#waiting.length > 0) this.#pump();
    else if (this.#pending !== '') this.#later(DELAY_MS);
  }

  #failed(error: NodeJS.ErrnoException): void {
    const code = errorCode(error);
    if (code !== 'EAGAIN') this.#report(code);
    if (code === 'EPIPE' && this.#path === null) this.#die();
    else this.#later(code === 'EAGAIN' ? BUSY_RETRY_MS : FAILED_RETRY_MS);
  }

  #die(): void {
    this.#dead = true;
    this.#dropped += this.#chunkLines + this.#pendingLines;
    this.#forget();
    this.#settle();
  }

  #report(failure: string | null): void {
    if (failure === this.#failure) return;
    this.#failure = failure;
    this.#onHealth(failure);
  }

  #forget(): void {
    this.#chunk = null;
    this.#chunkLines = 0;
    this.#pending = '';
    this.#pendingLines = 0;
  }

  #settle(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #checkRotation(): void {
    const nowMs = performance.now();
    const path = this.#path;
    if (path === null || nowMs - this.#rotationCheckedMs < ROTATION_CHECK_MS) return;
    this.#rotationCheckedMs = nowMs;
    const output = this.#output;
    isElsewhere(path, output, (elsewhere) => {
      if (elsewhere && !this.#closed && output === this.#output) this.reopen();
    });
  }

  #reopenNow(): void {
    this.#reopenWanted = false;
    if (this.#path === null) return;
    this.#inFlight = true;
    openFileLater(this.#path, (error, output) => {
      this.#inFlight = false;
      if (this.#closed && error === null) output.close();
      if (this.#closed) return;
      // Without the new file the old one goes on taking lines: better in the rotated file than nowhere.
      if (error !== null) this.#report(errorCode(error));
      else this.#adopt(output);
      this.#pump();
    });
  }

  #adopt(output: Output): void {
    this.#output.close();
    this.#output = output;
    // A line that was cut by the change of files is written whole into the new one.
    if (this.#chunk !== null && this.#chunkAt > 0) this.#chunkAt = this.#chunk.lastIndexOf(0x0a, this.#chunkAt - 1) + 1;
    this.#report(null);
  }
}
