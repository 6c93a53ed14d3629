import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { Inbox } from '../../../src/http1/inbox.ts';
import type { Case, MessageReading } from '../message.ts';
import type { Peer, PeerName } from './peer.ts';

const LENGTH_BYTES = 4;

type Child = ChildProcessByStdio<Writable, Readable, null>;

/**
 * A peer in a process of its own that lives as long as the tests: frames in, frames out, each a length of four bytes and as many bytes. All cases of
 * a call are written before the first answer is waited for.
 */
export class ChildPeer implements Peer {
  readonly name: PeerName;
  readonly version: string;
  readonly #child: Child;
  readonly #frames: Frames;

  private constructor(name: PeerName, version: string, child: Child, frames: Frames) {
    this.name = name;
    this.version = version;
    this.#child = child;
    this.#frames = frames;
  }

  /** Starts the program; rejects if it does not say its version. */
  static async start(
    name: PeerName,
    command: readonly [string, ...string[]],
    env: NodeJS.ProcessEnv,
  ): Promise<ChildPeer> {
    const [program, ...args] = command;
    const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
    const frames = new Frames(child.stdout);
    child.on('error', (error) => frames.fail(error));
    child.stdin.on('error', (error) => frames.fail(error));
    const { version } = JSON.parse(await frames.next()) as { version: string };
    return new ChildPeer(name, version, child, frames);
  }

  async read(cases: readonly Pick<Case, 'bytes' | 'answerTo'>[]): Promise<readonly MessageReading[]> {
    for (const { bytes, answerTo } of cases) {
      const frame = Buffer.from(`${answerTo ?? ''}\n${bytes}`, 'latin1');
      const head = Buffer.alloc(LENGTH_BYTES);
      head.writeUInt32BE(frame.length);
      this.#child.stdin.write(Buffer.concat([head, frame]));
    }
    const readings: MessageReading[] = [];
    // The programs beside this file write what the type says.
    for (const _ of cases) readings.push(JSON.parse(await this.#frames.next()) as MessageReading);
    return readings;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#child.once('close', () => resolve());
      this.#child.stdin.end();
    });
  }
}

/** Whole frames of a stream, in their order. */
class Frames {
  readonly #inbox = new Inbox();
  #waiting: { resolve(frame: string): void; reject(error: Error): void } | null = null;
  #failure: Error | null = null;

  constructor(stream: Readable) {
    stream.on('data', (bytes: Buffer) => {
      this.#inbox.push(bytes);
      this.#serve();
    });
    stream.on('close', () => this.fail(new Error('the peer has ended')));
  }

  next(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#serve();
      if (this.#failure !== null) this.fail(this.#failure);
    });
  }

  fail(error: Error): void {
    this.#failure ??= error;
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.reject(this.#failure);
  }

  #serve(): void {
    const waiting = this.#waiting;
    if (waiting === null || this.#inbox.length < LENGTH_BYTES) return;
    const length = this.#inbox.peek().readUInt32BE(0);
    if (this.#inbox.length < LENGTH_BYTES + length) return;
    this.#inbox.skip(LENGTH_BYTES);
    this.#waiting = null;
    // JSON of both peers is UTF-8; `takeText` gives one character a byte.
    waiting.resolve(Buffer.from(this.#inbox.takeText(length), 'latin1').toString('utf8'));
  }
}
