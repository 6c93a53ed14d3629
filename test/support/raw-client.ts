import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { closeAfterTest } from './closing.ts';
import { sweepClient } from './sweep.ts';

/** Of what a client was shown, so much is kept to be searched for secrets. */
const SHOWN_BYTES_MAX = 4 * 1024 * 1024;

/** A client that sends what it is told and shows what comes, one character a byte. It knows no HTTP. */
export class RawClient {
  socket: Socket;
  received = '';
  /** Everything that was received, also what was taken; on TLS as it was read. */
  shown = '';
  ended = false;
  closed = false;
  error: Error | null = null;
  #waiting: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    sweepClient(this);
    this.#listen();
  }

  send(text: string): void {
    this.socket.write(text, 'latin1');
  }

  end(): void {
    this.socket.end();
  }

  /** Waits until what was received matches; rejects if the connection closes before. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.received);
      if (found !== null) return found;
      if (this.closed) throw new Error(`closed after ${JSON.stringify(this.received)} without ${pattern}`);
      await this.#change();
    }
  }

  async untilClosed(): Promise<string> {
    while (!this.closed) await this.#change();
    return this.received;
  }

  async untilEnded(): Promise<string> {
    while (!this.ended && !this.closed) await this.#change();
    return this.received;
  }

  /** Forgets what was received so far, after waiting for it. */
  async take(pattern: RegExp): Promise<string> {
    const found = await this.until(pattern);
    const taken = this.received.slice(0, found.index + found[0].length);
    this.received = this.received.slice(taken.length);
    return taken;
  }

  /** Speaks TLS from here on; `onSession` gets each session that may be resumed. */
  async secure({
    onSession = () => {},
    ...options
  }: ConnectionOptions & { readonly onSession?: (session: Buffer) => void }): Promise<void> {
    this.socket.removeAllListeners('data');
    const raw = this.socket;
    const socket = connectTls({ ...options, socket: raw });
    socket.on('session', onSession);
    this.socket = socket;
    this.#listen();
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('closed in the handshake')));
    });
  }

  #listen(): void {
    const wake = (): void => {
      for (const resolve of this.#waiting.splice(0)) resolve();
    };
    this.socket.on('error', (error) => {
      this.error = error;
    });
    this.socket.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      this.received += text;
      if (this.shown.length < SHOWN_BYTES_MAX) this.shown += text;
      wake();
    });
    this.socket.on('end', () => {
      this.ended = true;
      wake();
    });
    this.socket.on('close', () => {
      this.closed = true;
      wake();
    });
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

export async function connectRaw(port: number, host = '127.0.0.1'): Promise<RawClient> {
  const socket = connect({ port, host, allowHalfOpen: true, noDelay: true });
  const client = new RawClient(closeAfterTest(socket, () => socket.destroy()));
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return client;
}

/** A client on a Unix socket. */
export async function connectUnix(path: string): Promise<RawClient> {
  const socket = connect({ path, allowHalfOpen: true });
  const client = new RawClient(closeAfterTest(socket, () => socket.destroy()));
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return client;
}

/** Opens a tunnel; rejects with the answer if it is refused. */
export async function connectTunnel(port: number, authority: string, fields = ''): Promise<RawClient> {
  const client = await connectRaw(port);
  client.send(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${fields}\r\n`);
  const head = await client.take(/\r\n\r\n/);
  if (!head.startsWith('HTTP/1.1 200 ')) throw new Error(head);
  return client;
}
