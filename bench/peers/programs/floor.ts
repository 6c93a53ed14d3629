// The floor: the least work that an intercepting, injecting HTTP/1.1 proxy can do on node:net and node:tls. No policy, no audit, no
// limits, no safety. It is a benchmark peer only: what the product costs above it is the price of its features; what nginx costs
// below it is the price of the runtime. Bodies must have a Content-Length, and a request must be one read.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { connect, createSecureContext, TLSSocket } from 'node:tls';

const setting = (name: string): string => process.env[name] ?? '';
const [host, port] = setting('BENCH_LISTEN').split(':');
const originPort = Number(setting('BENCH_ORIGIN_PORT'));
const injected = `authorization: Bearer ${setting('BENCH_BEARER')}`;
const leaf = createSecureContext({
  cert: readFileSync(setting('BENCH_LEAF_CERT')),
  key: readFileSync(setting('BENCH_LEAF_KEY')),
});
const trust = createSecureContext({ ca: readFileSync(setting('BENCH_TRUST')) });
const dropped = new Set(['connection', 'authorization', 'proxy-connection', 'keep-alive', 'te', 'upgrade']);

/** An upstream connection and the exchange that has it now. */
class Upstream {
  readonly socket: TLSSocket;
  exchange: Exchange | null = null;

  constructor() {
    this.socket = connect({ host: '127.0.0.1', port: originPort, servername: 'origin.test', secureContext: trust });
    this.socket.setNoDelay(true);
    this.socket.on('error', () => {});
    this.socket.on('data', (bytes) => this.exchange?.onResponse(bytes));
    this.socket.on('close', () => this.exchange?.client.destroy());
  }

  static take(): Upstream {
    for (let upstream = idle.pop(); upstream; upstream = idle.pop()) if (!upstream.socket.destroyed) return upstream;
    return new Upstream();
  }
}

const idle: Upstream[] = [];

/** One client connection: heads are cut at CRLF CRLF, one field is replaced, bodies pass as they come. */
class Exchange {
  readonly client: TLSSocket;
  upstream: Upstream | null = null;
  requestHead: Buffer | null = null;
  responseHead: Buffer | null = null;
  inHead = true;
  left = 0;

  constructor(client: TLSSocket) {
    this.client = client;
    client.on('error', () => {});
    client.on('data', (bytes) => this.onRequest(bytes));
    client.on('close', () => this.upstream?.socket.destroy());
  }

  onRequest(bytes: Buffer): void {
    const whole = this.requestHead === null ? bytes : Buffer.concat([this.requestHead, bytes]);
    const end = whole.indexOf('\r\n\r\n');
    this.requestHead = end < 0 ? whole : null;
    if (end < 0) return;
    const [line, ...fields] = whole.toString('latin1', 0, end).split('\r\n');
    const kept = fields.filter((field) => !dropped.has(field.slice(0, field.indexOf(':')).toLowerCase()));
    this.inHead = true;
    this.upstream = Upstream.take();
    this.upstream.exchange = this;
    this.upstream.socket.write(`${line}\r\n${kept.join('\r\n')}\r\n${injected}\r\n\r\n`, 'latin1');
  }

  onResponse(bytes: Buffer): void {
    const whole = this.responseHead === null ? bytes : Buffer.concat([this.responseHead, bytes]);
    if (this.inHead) {
      const end = whole.indexOf('\r\n\r\n');
      this.responseHead = end < 0 ? whole : null;
      if (end < 0) return;
      const head = whole.toString('latin1', 0, end + 4);
      this.inHead = false;
      this.left = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0) + end + 4;
    }
    this.left -= whole.length;
    const upstream = this.upstream;
    if (!this.client.write(whole)) {
      upstream?.socket.pause();
      this.client.once('drain', () => upstream?.socket.resume());
    }
    if (this.left <= 0) this.release();
  }

  release(): void {
    if (this.upstream === null) return;
    this.upstream.exchange = null;
    // The client may close before it drains, and nobody else would wake what waits for that.
    this.upstream.socket.resume();
    idle.push(this.upstream);
    this.upstream = null;
  }
}

function intercept(socket: Duplex, head: Buffer): void {
  socket.on('error', () => {});
  socket.write('HTTP/1.1 200 OK\r\n\r\n');
  if (head.length > 0) socket.unshift(head);
  new Exchange(new TLSSocket(socket, { isServer: true, secureContext: leaf }));
}

createServer({ noDelay: true })
  .on('connect', (_request, socket, head) => intercept(socket, head))
  .listen(Number(port), host);
