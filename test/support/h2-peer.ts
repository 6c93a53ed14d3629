import type { Duplex } from 'node:stream';
import {
  contentOf,
  type ErrorName,
  errorName,
  FLAG,
  type Frame,
  FrameReader,
  headers,
  pingAck,
  settingsAck,
  TYPE,
  windowUpdate,
} from './h2-frames.ts';
import { block, type DecodedField, type Field, HpackDecoder } from './h2-hpack.ts';

/** What came on one stream so far. */
export interface StreamSeen {
  readonly id: number;
  /** Header sections in their order: interim heads, the head, trailers. */
  readonly sections: (readonly DecodedField[])[];
  body: string;
  ended: boolean;
  /** The error of its RST_STREAM. */
  reset: ErrorName | null;
}

export interface PeerOptions {
  /** SETTINGS and PING are acknowledged; true by default. */
  readonly acknowledges?: boolean;
  /** What was read is read again: WINDOW_UPDATE for every DATA; true by default. */
  readonly credits?: boolean;
  /** More of what was received than this is not kept. */
  readonly bodyBytesMax?: number;
}

const FRAMES_KEPT_MAX = 100_000;

/** One end of an HTTP/2 connection that does what a test says, and nothing that it must but a test does not want. */
export class FramePeer {
  readonly socket: Duplex;
  /** The frames that came, up to so many that a flood would fill memory. */
  readonly frames: Frame[] = [];
  readonly streams = new Map<number, StreamSeen>();
  /** The error of its last GOAWAY. */
  goaway: ErrorName | null = null;
  closed = false;
  /** All that was read, as text that can be searched. */
  shown = '';
  readonly #options: Required<PeerOptions>;
  readonly #reader = new FrameReader();
  readonly #decoder = new HpackDecoder();
  #block: { readonly frame: Frame; readonly parts: Buffer[] } | null = null;
  #prefaceBytes: number;
  #waiting: (() => void)[] = [];
  readonly #watching = new Set<(frame: Frame) => void>();

  /** `prefaceBytes`: so many come before the first frame, which a server reads and does not look at. */
  constructor(socket: Duplex, options: PeerOptions = {}, prefaceBytes = 0) {
    this.socket = socket;
    this.#options = { acknowledges: true, credits: true, bodyBytesMax: 1024 * 1024, ...options };
    this.#prefaceBytes = prefaceBytes;
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('end', () => this.#ended());
    socket.on('close', () => this.#ended());
  }

  /** Sends bytes as they are, frames most likely; false once the other side no longer takes them. */
  send(...bytes: readonly Buffer[]): boolean {
    return this.socket.writable && this.socket.write(Buffer.concat(bytes));
  }

  /** Resolves when the other side takes more, or never will, or has not for some time. */
  async writable(timeoutMs: number): Promise<void> {
    // Frames are read between two batches that are sent.
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (this.closed || !this.socket.writableNeedDrain) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.socket.off('drain', done).off('close', done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.socket.on('drain', done).on('close', done);
    });
  }

  /** A header section in literals. */
  head(stream: number, fields: readonly Field[], options: Parameters<typeof headers>[2] = {}): boolean {
    return this.send(headers(stream, block(fields), options));
  }

  /** Waits until `find` answers something else than undefined; rejects if the connection closes before. */
  async until<T>(find: () => T | undefined): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (this.closed) throw new Error(`closed (GOAWAY ${this.goaway}) after ${summary(this.frames)}`);
      await this.#change();
    }
  }

  /** The first frame of a type that a condition holds for, among those that came or come; rejects if the connection closes before. */
  frame(type: number, holds: (frame: Frame) => boolean = () => true): Promise<Frame> {
    const isWanted = (frame: Frame): boolean => frame.type === type && holds(frame);
    let found = this.frames.find(isWanted);
    const watch = (frame: Frame): void => {
      if (isWanted(frame)) found ??= frame;
    };
    this.#watching.add(watch);
    return this.until(() => found).finally(() => this.#watching.delete(watch));
  }

  async untilClosed(): Promise<void> {
    while (!this.closed) await this.#change();
  }

  /** Waits until nothing more comes on a stream, or on the connection. */
  async finished(stream: number): Promise<StreamSeen> {
    for (;;) {
      const seen = this.streams.get(stream);
      if (seen !== undefined && (seen.ended || seen.reset !== null)) return seen;
      if (this.closed || this.goaway !== null) return seen ?? newStream(stream);
      await this.#change();
    }
  }

  /** How a stream ended, in one word or two: `200`, `421 TARGET_MISMATCH`, `reset PROTOCOL_ERROR`, `200 reset CANCEL`, `goaway …`, `closed`. */
  async outcome(stream: number): Promise<string> {
    const seen = await this.finished(stream);
    const head = headOf(seen);
    const status = head === null ? [] : [statusOf(head), ...values(head, 'x-postern-error')];
    if (seen.ended) return status.join(' ');
    if (seen.reset !== null) return [...status, 'reset', seen.reset].join(' ');
    return [...status, ...(this.goaway === null ? ['closed'] : ['goaway', this.goaway])].join(' ');
  }

  #read(bytes: Buffer): void {
    const skipped = Math.min(this.#prefaceBytes, bytes.length);
    this.#prefaceBytes -= skipped;
    const got: Buffer[] = [];
    for (const frame of this.#reader.read(bytes.subarray(skipped))) this.#take(frame, got);
    if (got.length > 0) this.send(...got);
    this.#wake();
  }

  #take(frame: Frame, answers: Buffer[]): void {
    if (this.frames.length < FRAMES_KEPT_MAX) this.frames.push(frame);
    for (const watch of this.#watching) watch(frame);
    const { acknowledges, credits } = this.#options;
    switch (frame.type) {
      case TYPE.SETTINGS:
        if (acknowledges && (frame.flags & FLAG.ACK) === 0) answers.push(settingsAck());
        return;
      case TYPE.PING:
        if (acknowledges && (frame.flags & FLAG.ACK) === 0) answers.push(pingAck(frame.payload));
        return;
      case TYPE.GOAWAY:
        this.goaway = errorName(frame.payload.readUInt32BE(4)) as ErrorName; // or a number that has no name, which no test expects
        this.shown += frame.payload.toString('latin1', 8);
        return;
      case TYPE.RST_STREAM:
        this.#stream(frame.stream).reset = errorName(frame.payload.readUInt32BE(0)) as ErrorName; // as above
        return;
      case TYPE.DATA: {
        const seen = this.#stream(frame.stream);
        const content = contentOf(frame).toString('latin1');
        if (seen.body.length < this.#options.bodyBytesMax) seen.body += content;
        if (this.shown.length < SHOWN_BYTES_MAX) this.shown += content;
        if (credits && frame.payload.length > 0)
          answers.push(windowUpdate(0, frame.payload.length), windowUpdate(frame.stream, frame.payload.length));
        if ((frame.flags & FLAG.END_STREAM) !== 0) seen.ended = true;
        return;
      }
      case TYPE.HEADERS:
      case TYPE.CONTINUATION:
        this.#takeBlock(frame);
        return;
    }
  }

  #takeBlock(frame: Frame): void {
    if (frame.type === TYPE.HEADERS) this.#block = { frame, parts: [contentOf(frame)] };
    else this.#block?.parts.push(frame.payload);
    if (this.#block === null || (frame.flags & FLAG.END_HEADERS) === 0) return;
    const { frame: first, parts } = this.#block;
    this.#block = null;
    const fields = this.#decoder.decode(Buffer.concat(parts));
    const seen = this.#stream(first.stream);
    seen.sections.push(fields);
    this.shown += fields.map(({ name, value }) => `${name}: ${value}\n`).join('');
    if ((first.flags & FLAG.END_STREAM) !== 0) seen.ended = true;
  }

  #stream(id: number): StreamSeen {
    const seen = this.streams.get(id) ?? newStream(id);
    this.streams.set(id, seen);
    return seen;
  }

  #ended(): void {
    this.closed = true;
    this.#wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

const SHOWN_BYTES_MAX = 4 * 1024 * 1024;

const newStream = (id: number): StreamSeen => ({ id, sections: [], body: '', ended: false, reset: null });

export const values = (fields: readonly DecodedField[], name: string): readonly string[] =>
  fields.filter((field) => field.name === name).map(({ value }) => value);

export const statusOf = (fields: readonly DecodedField[]): string => values(fields, ':status')[0] ?? '';

/** The head that is not interim. */
export const headOf = ({ sections }: StreamSeen): readonly DecodedField[] | null =>
  sections.find((fields) => !statusOf(fields).startsWith('1')) ?? null;

const summary = (frames: readonly Frame[]): string =>
  frames
    .slice(-20)
    .map(({ type, stream, payload }) => `${Object.keys(TYPE)[type] ?? type}[${stream}](${payload.length})`)
    .join(' ');
