import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { HeadLimits } from '../http1/head.ts';
import type { RequestHead } from '../http1/request-head.ts';
import type { Refused } from '../http1/syntax.ts';
import { readRequestHead } from '../http2/request-head.ts';
import { type Deadline, deadlines } from '../wire/deadlines.ts';
import { rawOf } from '../wire/h2-fields.ts';
import { breakSession, sessionOptions } from '../wire/h2-session.ts';
import { Heartbeat } from '../wire/heartbeat.ts';
import type { Wire } from '../wire/wire.ts';
import { Flood } from './flood.ts';
import { H2Request, type StreamsConnection } from './h2-request.ts';

export interface H2ClientLimits extends HeadLimits {
  /** From the handshake to the first request. */
  readonly clientHeadMs: number;
  /** Without any stream after that, until the connection is closed. */
  readonly idleMs: number;
}

/** Who is told of the streams of a connection. */
export interface StreamsOwner {
  opened(request: H2Request): void;
  /** One of them holds nothing any more. */
  closed(): void;
}

/** RFC 9113 section 6.5.2 recommends no fewer; each may hold a window of bytes. */
const STREAMS_MAX = 100;
/** The room of a whole connection. Node gives it back as bytes arrive, that of a stream when they are taken. */
const CONNECTION_WINDOW_BYTES = 1024 * 1024;
const BEAT = { silentMs: 30_000, answerMs: 15_000 };
/** Streams that a client may reset at once, and a second for good, before it has to make a new connection (CVE-2023-44487). */
const RESETS = { streamResetBurst: 500, streamResetRate: 50 };
/** Frames a second that ask for an answer and bring nothing. gRPC measures its connections with pings, some hundred a second on a fast one. */
const PINGS_PER_SECOND_MAX = 2_000;
const SETTINGS_PER_SECOND_MAX = 20;
/** Megabytes that a connection may hold before it takes no new stream (`maxSessionMemory`). */
const MEMORY_MB = 16;
/** How long what was told to a client that is cut off may take to leave. */
const FAREWELL_MS = 800;

/** The client's side of an HTTP/2 connection inside an intercepted tunnel: requests beside one another. */
export class H2Client implements Deadline, StreamsConnection {
  dueMs = Number.POSITIVE_INFINITY;
  /** Resolves when the connection is closed. */
  readonly closed: Promise<void>;
  readonly limits: H2ClientLimits;
  readonly #session: ServerHttp2Session;
  readonly #socket: Socket;
  readonly #owner: StreamsOwner;
  #streams = 0;
  #isNew = true;
  #isEnding = false;

  /** @param wire of a TLS socket that has agreed on `h2`; it is given up */
  constructor(wire: Wire, raw: Socket, limits: H2ClientLimits, owner: StreamsOwner) {
    this.limits = limits;
    this.#owner = owner;
    wire.release();
    this.#socket = wire.socket;
    this.#session = sessionOn(wire, limits);
    this.#session.on('error', ignore);
    // Tunnels are half-open where HTTP/1.1 needs it, and Node leaves a session on such a socket alone when the client has gone.
    wire.socket.once('end', () => this.giveUp());
    this.#session.on('stream', (stream, headers, flags, list) => {
      // `rawHeaders` of the event; the types of Node say less than its documentation.
      const raw = rawOf(list as unknown as string[], headers);
      this.#onStream(stream, readRequestHead(raw, 'https', limits), (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0);
    });
    new Heartbeat(this.#session, raw, { ...BEAT, isBusy: () => this.#streams > 0 });
    const flood = new Flood(() => this.#break(constants.NGHTTP2_ENHANCE_YOUR_CALM));
    this.#session.on('ping', () => flood.count('ping', PINGS_PER_SECOND_MAX));
    this.#session.on('remoteSettings', () => flood.count('settings', SETTINGS_PER_SECOND_MAX));
    deadlines.add(this);
    this.closed = new Promise((resolve) => {
      this.#session.once('close', () => {
        deadlines.delete(this);
        resolve();
      });
    });
    this.#rest();
  }

  /** Tells the client that no more is taken (GOAWAY); what runs goes on, and then the connection is closed. */
  drain(): void {
    this.#session.close();
  }

  /** Ends the connection soon, whatever the client does: what it was told may still leave. */
  end(): void {
    this.drain();
    this.#isEnding = true;
    this.dueMs = deadlines.nowMs() + FAREWELL_MS;
  }

  giveUp(): void {
    this.#break(constants.NGHTTP2_CANCEL);
  }

  /** It was idle for too long, or has to be ended. */
  onDue(): void {
    if (this.#isEnding || this.#session.closed) this.giveUp();
    else this.drain();
    // A header section that was begun keeps a connection from closing by itself.
    this.dueMs = deadlines.nowMs() + FAREWELL_MS;
  }

  #break(code: number): void {
    breakSession(this.#session, this.#socket, code);
  }

  #onStream(stream: ServerHttp2Stream, head: RequestHead | Refused, isWhole: boolean): void {
    this.#streams++;
    this.#isNew = false;
    if (!this.#isEnding) this.dueMs = Number.POSITIVE_INFINITY;
    stream.once('close', () => {
      this.#streams--;
      this.#owner.closed();
      this.#rest();
    });
    this.#owner.opened(new H2Request(stream, head, isWhole, this));
  }

  #rest(): void {
    if (this.#streams > 0 || this.#isEnding) return;
    const { clientHeadMs, idleMs } = this.limits;
    this.dueMs = deadlines.nowMs() + (this.#isNew ? clientHeadMs : idleMs);
  }
}

function sessionOn({ socket }: Wire, { headBytes, headFields }: HeadLimits): ServerHttp2Session {
  // `tls.Server` sets it when the handshake is over; without one nobody does, and the session would wait for ever.
  Object.assign(socket, { secureConnecting: false });
  const session = performServerHandshake(socket, {
    ...sessionOptions({ headBytes, headFields }),
    ...RESETS,
    maxSessionMemory: MEMORY_MB,
    settings: { maxConcurrentStreams: STREAMS_MAX, maxHeaderListSize: headBytes },
  });
  session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
  return session;
}

function ignore(): void {}
