import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { Socket } from 'node:net';
import type { HeadLimits } from '../http1/head.ts';
import { type RawFields, readTrailers } from '../http2/raw-fields.ts';
import { type Deadline, deadlines } from '../wire/deadlines.ts';
import type { BodyRules } from '../wire/h2-body.ts';
import { listOf } from '../wire/h2-fields.ts';
import { breakSession, sessionOptions } from '../wire/h2-session.ts';
import { Heartbeat } from '../wire/heartbeat.ts';
import type { Dialled } from './dialling.ts';
import { H2Exchange, type StreamOwner } from './h2-exchange.ts';
import { IDLE_MS, type Origin } from './origin.ts';
import { remoteAddressOf } from './remote-address.ts';

const SIDE = { side: 'upstream', invalid: 'RESPONSE_INVALID', cut: 'UPSTREAM_RESET' } as const;
/** Streams at once on one connection, if the host does not want fewer; RFC 9113 section 6.5.2 recommends that it take no fewer. */
const STREAMS_MAX = 100;
/** Bytes that a host may send of one answer before anybody has taken them: the price of a client that does not read. */
const STREAM_WINDOW_BYTES = 512 * 1024;
/** Node gives the room of the connection back as bytes arrive, so that a stream that is not read stalls no other. */
const CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024;
/**
 * gRPC servers close a connection that is pinged more often than every 5 minutes while they send nothing ("too_many_pings", gRPC proposal A8), so
 * a quiet one is asked no sooner.
 */
const BEAT = { silentMs: 310_000, answerMs: 15_000 };
/** A connection that is used again after so long is asked at once, beside the request. */
const DOUBTFUL_MS = 10_000;

/** One HTTP/2 connection to an origin, and the exchanges on it. */
export class H2Upstream implements Deadline, StreamOwner {
  /** While it is idle: when that has been long enough. */
  dueMs = Number.POSITIVE_INFINITY;
  readonly origin: Origin;
  /** `address:port` that was judged and dialled, the host's or the parent's. */
  readonly address: string;
  readonly ip: string;
  readonly limits: HeadLimits;
  readonly bodyRules: BodyRules;
  parentKey: string | null = null;
  /** The context that verified its certificate. */
  trust: object | null = null;
  /** The swap after which the pool last asked whether it may be kept. */
  judgedAt = 0;
  readonly #session: ClientHttp2Session;
  readonly #socket: Socket;
  readonly #heartbeat: Heartbeat;
  readonly #onChange: (upstream: H2Upstream) => void;
  readonly #exchanges = new Set<H2Exchange>();
  #lastUsedMs = performance.now();
  #isRetired = false;
  #hasEnded = false;

  /** @param onChange called when it may have become idle, and at its end */
  constructor(origin: Origin, { socket, raw }: Dialled, limits: HeadLimits, onChange: (upstream: H2Upstream) => void) {
    this.origin = origin;
    this.limits = { headBytes: limits.headBytes, headFields: limits.headFields };
    this.bodyRules = { ...SIDE, trailersOf: (raw) => readTrailers(raw, this.limits) };
    const bottom = raw ?? socket;
    ({ ip: this.ip, address: this.address } = remoteAddressOf(bottom));
    this.#onChange = onChange;
    this.#socket = socket;
    this.#session = sessionOn(socket, origin, limits);
    this.#idle();
    this.#heartbeat = new Heartbeat(this.#session, bottom, { ...BEAT, isBusy: () => this.streams > 0 });
    this.#session.on('error', ignore);
    // The socket is half-open, where Node leaves a session alone when the other side has gone.
    socket.once('end', () => this.#onEnd());
    this.#session.on('goaway', () => this.retire());
    deadlines.add(this);
    this.#session.once('close', () => {
      deadlines.delete(this);
      this.#isRetired = true;
      this.#onChange(this);
    });
  }

  get isClosed(): boolean {
    return this.#session.destroyed;
  }

  get streams(): number {
    return this.#exchanges.size;
  }

  /** Another exchange may begin on it. */
  get hasRoom(): boolean {
    if (this.#isRetired || this.#session.closed || this.#session.destroyed) return false;
    const { maxConcurrentStreams = STREAMS_MAX } = this.#session.remoteSettings;
    return this.streams < Math.min(maxConcurrentStreams, STREAMS_MAX);
  }

  /** The place for one exchange, taken from now on. Only where there is room. */
  exchange(): H2Exchange {
    const nowMs = performance.now();
    if (nowMs - this.#lastUsedMs > DOUBTFUL_MS) this.#heartbeat.ask();
    this.#lastUsedMs = nowMs;
    this.dueMs = Number.POSITIVE_INFINITY;
    const exchange = new H2Exchange(this);
    this.#exchanges.add(exchange);
    return exchange;
  }

  request(head: RawFields, hasBody: boolean): ClientHttp2Stream {
    const stream = this.#session.request(listOf(head), { endStream: !hasBody, waitForTrailers: hasBody });
    if (this.#hasEnded) stream.destroy(new Error('the connection was ended'));
    return stream;
  }

  ended(exchange: H2Exchange): void {
    this.#exchanges.delete(exchange);
    this.#lastUsedMs = performance.now();
    if (this.streams === 0) this.#idle();
    this.#onChange(this);
  }

  /** Takes no other exchange, and closes when the last that runs is over. */
  retire(): void {
    this.#isRetired = true;
    if (this.streams === 0) this.#session.close();
  }

  onDue(): void {
    this.retire();
  }

  /** Closes it at once; what runs on it is cut. */
  abandon(): void {
    this.#break();
  }

  #break(): void {
    breakSession(this.#session, this.#socket, constants.NGHTTP2_CONNECT_ERROR);
  }

  /** The host has ended its side. What is here as a whole is still passed on, however slowly it is taken. */
  #onEnd(): void {
    this.#isRetired = true;
    this.#hasEnded = true;
    for (const exchange of this.#exchanges) exchange.upstreamEnded();
    if (this.streams === 0) this.#break();
  }

  #idle(): void {
    if (this.#hasEnded) this.#break();
    else if (this.#isRetired) this.#session.close();
    else this.dueMs = deadlines.nowMs() + IDLE_MS;
  }
}

function sessionOn(socket: Socket, { host, port }: Origin, { headBytes, headFields }: HeadLimits): ClientHttp2Session {
  const options = {
    ...sessionOptions({ headBytes, headFields }),
    createConnection: () => socket,
    settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES, maxHeaderListSize: headBytes },
  };
  const session = connect(`https://${host}:${port}`, options);
  session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
  return session;
}

function ignore(): void {}
