import type { Socket } from 'node:net';
import { ProxyError } from '../errors.ts';
import { HeadCutter, type HeadLimits } from '../http1/head.ts';
import { Inbox } from '../http1/inbox.ts';
import { parseResponseHead, type ResponseHead } from '../http1/response-head.ts';
import type { Refused } from '../http1/syntax.ts';
import type { DialOptions, DialTarget, Leg } from './dialling.ts';
import { ALPN_H1, secured } from './secure.ts';
import { settled } from './settled.ts';
import { assertDialled, connected } from './tcp.ts';
import type { Way } from './way.ts';

/** As reasons call it: a sandbox is not told where the parent is. */
const SHOWN = 'the parent proxy';
const CLOSED = `${SHOWN} closed the connection before it had answered`;
/** Interim answers (1xx, RFC 9110 section 15.2) before the final one. More is a flood. */
const INTERIM_MAX = 32;

/**
 *   us ──TCP [TLS]──▶ parent ──CONNECT host:port, 2xx──▶ host
 * A connection to the host that the parent has made (RFC 9110 section 9.3.6), whatever is spoken on it: plain HTTP goes this way too, so that
 * no parent is handed requests with credentials in them to forward. `limits.connect` covers all of it. Rejects with `CONNECT_FAILED`, whose
 * reason has nothing of the parent's text, `CONNECT_TIMEOUT`, `OVERLOADED` or `SECRET_UNAVAILABLE`.
 */
export async function connectedThrough(
  way: Extract<Way, { readonly kind: 'parent' }>,
  target: DialTarget,
  options: DialOptions,
): Promise<Leg> {
  const { parent, addresses } = way;
  const { connectMs, signal } = options;
  const dueMs = performance.now() + connectMs;
  const patience = () => ({ limitMs: Math.max(1, dueMs - performance.now()), signal });
  const request = connectText(target, options.parentCredentials());
  const tcp = await connected({ shown: SHOWN, port: parent.port, addresses }, patience());
  assertDialled(tcp, addresses);
  const secure = {
    host: parent.host,
    shown: SHOWN,
    context: options.context,
    alpn: ALPN_H1,
    session: null,
    onSession: () => {},
  };
  const socket =
    parent.scheme === 'http'
      ? tcp
      : await secured(tcp, secure, patience()).catch((error: unknown) => {
          throw ofParent(error);
        });
  await settled(
    socket,
    (done) => new Asking(socket, target, options).begin(request, done),
    patience(),
    (cause) => {
      if (cause === 'timeout') return problem(`${SHOWN} did not answer in time`, { isLate: true });
      return problem(CLOSED, { cause });
    },
  );
  return { socket, raw: parent.scheme === 'https' ? tcp : null, tcp };
}

/** Nothing of the client's is in it. RFC 9112 section 3.2.3: the authority-form has the port always. */
function connectText({ host, port }: DialTarget, credentials: string | null): string {
  const authorization = credentials === null ? '' : `Proxy-Authorization: ${credentials}\r\n`;
  return `CONNECT ${host}:${port} HTTP/1.1\r\nHost: ${host}:${port}\r\n${authorization}\r\n`;
}

/** A handshake that failed with the parent says nothing about the host, which `TLS_UNTRUSTED` and `TLS_FAILED` are about. */
function ofParent(error: unknown): unknown {
  if (!(error instanceof ProxyError)) return error;
  return problem(error.reason, { isLate: error.retryable, cause: error.cause });
}

interface Problem {
  readonly isLate?: boolean;
  readonly cause?: unknown;
}

function problem(reason: string, { isLate = false, cause }: Problem = {}): ProxyError {
  const hint = 'An operator must look at that proxy, and at "upstream.proxy".';
  return new ProxyError(isLate ? 'CONNECT_TIMEOUT' : 'CONNECT_FAILED', {
    stage: 'dispatch',
    side: 'upstream',
    reason,
    hint,
    cause,
  });
}

/** One CONNECT on a connection to the parent, and the reading of its answer. */
class Asking {
  readonly #socket: Socket;
  readonly #target: DialTarget;
  readonly #limits: HeadLimits;
  readonly #inbox = new Inbox();
  readonly #cutter: HeadCutter;
  #interims = 0;
  #isOpen = false;

  constructor(socket: Socket, target: DialTarget, { headBytes, headFields }: HeadLimits) {
    this.#socket = socket;
    this.#target = target;
    this.#limits = { headBytes, headFields };
    this.#cutter = new HeadCutter(this.#limits);
  }

  begin(request: string, done: (error: ProxyError | null) => void): () => void {
    const socket = this.#socket;
    const onData = (bytes: Buffer): void => {
      this.#inbox.push(bytes);
      const verdict = this.#verdict();
      if (verdict !== 'wait') done(verdict);
    };
    const onEnd = (): void => done(problem(CLOSED));
    socket.on('data', onData);
    socket.on('end', onEnd);
    socket.write(request, 'latin1');
    return () => {
      socket.off('data', onData);
      socket.off('end', onEnd);
      // What comes from here on is read by whoever takes the connection, and no sooner.
      socket.pause();
      if (this.#isOpen && this.#inbox.length > 0) socket.unshift(this.#inbox.takeAll());
    };
  }

  #verdict(): ProxyError | null | 'wait' {
    for (;;) {
      const text = this.#cutter.cut(this.#inbox);
      if (text === null) return 'wait';
      const head = typeof text === 'string' ? parseResponseHead(text, this.#limits.headFields) : text;
      if (head.kind === 'refused' || head.status === 101 || head.status < 200) {
        const problem = this.#problemOfInterim(head);
        if (problem !== null) return problem;
      } else {
        return this.#final(head);
      }
    }
  }

  #problemOfInterim(head: ResponseHead | Refused): ProxyError | null {
    if (head.kind === 'refused') return problem(`the answer of ${SHOWN} is not valid: ${head.why}`);
    if (head.status === 101) return this.#refusal(head);
    this.#interims++;
    return this.#interims > INTERIM_MAX ? problem(`${SHOWN} sent too many interim answers`) : null;
  }

  /**
   * RFC 9110 section 9.3.6: any 2xx opens the tunnel, right after its head, whatever length the head declares. Where the client speaks first,
   * bytes that are already there are the parent's own: they would be read as the host's answer.
   */
  #final(head: ResponseHead): ProxyError | null {
    if (head.status >= 300) return this.#refusal(head);
    if (this.#inbox.length === 0 || this.#target.hostMaySpeakFirst) {
      this.#isOpen = true;
      return null;
    }
    return problem(`${SHOWN} sent bytes before the tunnel was used`);
  }

  #refusal({ status }: ResponseHead): ProxyError {
    return problem(`${SHOWN} answered ${status}`);
  }
}
