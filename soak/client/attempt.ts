import type { Random } from '../random.ts';
import type { World } from '../world/world.ts';
import { type Answer, readAnswer, readHead } from './answer.ts';
import { type Connection, open } from './connection.ts';

/** No kind waits longer than this for anything: what hangs is a finding. */
const TIME_MAX_MS = 30_000;

export interface RequestParts {
  readonly fields?: readonly string[];
  /** Sent with a Content-Length. */
  readonly body?: string | Buffer;
}

export interface TunnelParts {
  readonly port?: number;
  readonly from?: string;
  readonly fields?: readonly string[];
}

/** One run of one kind: what it opens, and the end of all of it. */
export class Attempt {
  readonly world: World;
  readonly random: Random;
  readonly #opened = new Set<Connection>();
  readonly #timer: NodeJS.Timeout;
  #late = false;
  /** What was sent last, for whoever reads of its failure. */
  last = '';

  constructor(world: World, random: Random) {
    this.world = world;
    this.random = random;
    this.#timer = setTimeout(() => {
      this.#late = true;
      this.#closeAll();
    }, TIME_MAX_MS);
  }

  /** It took longer than anything should: what failed after that failed because everything was closed. */
  get late(): boolean {
    return this.#late;
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#closeAll();
  }

  async connect(from?: string): Promise<Connection> {
    return this.#keep(await open(this.world.proxyPort, from));
  }

  /** Asks for a tunnel. The answer is that of the CONNECT. */
  async askTunnel(authority: string, { from, fields = [] }: TunnelParts = {}) {
    const connection = await this.connect(from);
    this.last = `CONNECT ${authority}`;
    connection.send(head('CONNECT', authority, authority, fields));
    return { connection, answer: await readHead(connection) };
  }

  /** An open tunnel, nothing sent in it. */
  async tunnel(authority: string, parts: TunnelParts = {}): Promise<Connection> {
    const { connection, answer } = await this.askTunnel(authority, parts);
    if (answer.status !== 200) throw new Error(`CONNECT ${authority}: ${answer.status} ${answer.reason}`);
    return connection;
  }

  /** TLS inside an intercepted tunnel, verified against Postern's CA. */
  async intercepted(host: string, parts: TunnelParts = {}): Promise<Connection> {
    const tunnel = await this.tunnel(`${host}:${parts.port ?? this.world.ports.tls}`, parts);
    return this.secure(tunnel, host, this.world.proxyCa);
  }

  async secure(connection: Connection, host: string, ca: string): Promise<Connection> {
    return this.#keep(await connection.secure({ servername: host, ca }));
  }

  /** One request on a connection that is inside a tunnel, and its answer. */
  async ask(connection: Connection, method: string, url: URL, parts: RequestParts = {}): Promise<Answer> {
    this.send(connection, method, url, parts);
    return await readAnswer(connection, method);
  }

  send(connection: Connection, method: string, url: URL, { fields = [], body }: RequestParts = {}): void {
    const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
    this.last = `${method} ${url}`;
    connection.send(head(method, url.pathname + url.search, url.host, [...fields, ...length]));
    if (body !== undefined) connection.send(body);
  }

  /** A URL on the TLS origin. */
  url(host: string, path: string): URL {
    return new URL(`https://${host}:${this.world.ports.tls}${path}`);
  }

  #keep(connection: Connection): Connection {
    this.#opened.add(connection);
    if (this.#late) connection.destroy();
    return connection;
  }

  #closeAll(): void {
    for (const connection of this.#opened) connection.destroy();
  }
}

/** The head of a request, as it goes on the wire. */
export const head = (method: string, target: string, host: string, fields: readonly string[]): string =>
  [`${method} ${target} HTTP/1.1`, `Host: ${host}`, ...fields, '', ''].join('\r\n');
