import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

/** The peer ended, or was cut, before what was waited for had come. */
export class Ended extends Error {
  override readonly name = 'Ended';
}

/** A client connection that sends bytes as told and gives out what came, by count or by mark. It knows no HTTP. */
export class Connection {
  readonly socket: Socket;
  /** The TCP connection below it. */
  readonly #tcp: Socket;
  /** The peer will send no more. */
  ended = false;
  closed = false;
  #pieces: Buffer[] = [];
  #length = 0;
  #waiting: (() => void)[] = [];
  readonly #onData = (piece: Buffer): void => {
    this.#pieces.push(piece);
    this.#length += piece.length;
    this.#wake();
  };

  constructor(socket: Socket, tcp = socket) {
    this.socket = socket;
    this.#tcp = tcp;
    socket.on('error', () => {}); // 'close' follows
    socket.on('data', this.#onData);
    socket.on('end', () => {
      this.ended = true;
      this.#wake();
    });
    socket.on('close', () => {
      this.ended = true;
      this.closed = true;
      this.#wake();
    });
  }

  send(bytes: string | Buffer): void {
    if (typeof bytes === 'string') this.socket.write(bytes, 'latin1');
    else this.socket.write(bytes);
  }

  /** Exactly so many bytes. Throws `Ended` where fewer come. */
  async exactly(count: number): Promise<Buffer> {
    while (this.#length < count) await this.#more();
    return this.#take(count);
  }

  /** Everything up to and including a mark. */
  async through(mark: string): Promise<string> {
    for (;;) {
      const at = this.#joined().indexOf(mark, 0, 'latin1');
      if (at >= 0) return this.#take(at + mark.length).toString('latin1');
      await this.#more();
    }
  }

  /** Whatever comes until the peer's end. */
  async rest(): Promise<Buffer> {
    while (!this.ended) await this.#change();
    return this.#take(this.#length);
  }

  /** What is here by now and was not taken. */
  taken(): Buffer {
    return this.#take(this.#length);
  }

  async untilClosed(): Promise<void> {
    while (!this.closed) await this.#change();
  }

  /** Speaks TLS from here on, verified against `ca`. */
  async secure(options: ConnectionOptions): Promise<Connection> {
    this.socket.off('data', this.#onData);
    const socket = connectTls({ ...options, socket: this.socket });
    const secured = new Connection(socket, this.#tcp);
    await connected(socket, 'secureConnect');
    return secured;
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Leaves by a reset: from inside TLS too it is TCP that has one. */
  reset(): void {
    this.#tcp.resetAndDestroy();
    this.socket.destroy();
  }

  #joined(): Buffer {
    const joined = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces);
    const whole = joined ?? Buffer.alloc(0);
    this.#pieces = [whole];
    return whole;
  }

  #take(count: number): Buffer {
    const whole = this.#joined();
    this.#pieces = [whole.subarray(count)];
    this.#length -= count;
    return whole.subarray(0, count);
  }

  async #more(): Promise<void> {
    if (this.ended) throw new Ended(`ended after ${JSON.stringify(this.#joined().toString('latin1').slice(-200))}`);
    await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Connects to a port of loopback, from an address of it: that is how sandboxes are told apart here. */
export async function open(port: number, from = '127.0.0.1'): Promise<Connection> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true, noDelay: true });
  const connection = new Connection(socket);
  await connected(socket, 'connect');
  return connection;
}

function connected(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Ended(`closed before ${event}`)));
  });
}
