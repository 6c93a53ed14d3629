import { connect as connectTcp, isIP, type LookupFunction, type Socket, type TcpNetConnectOpts } from 'node:net';
import {
  checkServerIdentity,
  connect as connectTls,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import type { Ip } from '../address/ip.ts';
import { errorCode, ProxyError } from '../errors.ts';
import type { Scheme } from '../policy/model.ts';

/** What is dialled: addresses that were judged, in order, and the name that must be verified. */
export interface DialTarget {
  readonly scheme: Scheme | 'tcp';
  /** Canonical; IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
  readonly addresses: readonly Ip[];
}

export interface DialOptions {
  readonly connectMs: number;
  readonly tlsMs: number;
  readonly context: SecureContext;
  readonly session: Buffer | null;
  readonly onSession: (session: Buffer) => void;
  /** Aborted when nobody waits for the connection any more: it is given up at once. */
  readonly signal: AbortSignal;
}

export interface Dialled {
  readonly socket: Socket;
  /** The TCP socket under a TLS socket. */
  readonly raw: Socket | null;
}

/** Milliseconds before the next address is tried beside the one that has not answered (RFC 8305 section 5). */
const NEXT_ADDRESS_MS = 250;
const ALPN_H1 = ['http/1.1'];

/** What the system answers when this machine or process has no more of something: descriptors, ports of its own, memory. */
const EXHAUSTED: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'EAGAIN', 'ENOBUFS', 'ENOMEM']);

/**
 * Connects to one of the judged addresses and, for https, verifies the certificate for the host. Rejects with `CONNECT_FAILED`,
 * `CONNECT_TIMEOUT`, `TLS_UNTRUSTED` or `TLS_FAILED`; with `OVERLOADED` where it is we who cannot make another connection. Nothing is resolved here, and nothing but `addresses` is dialled.
 */
export async function dial(target: DialTarget, options: DialOptions): Promise<Dialled> {
  const raw = await connected(target, options);
  const isSecured = target.scheme === 'https';
  const socket = isSecured ? await secured(raw, target, options) : raw;
  assertDialled(socket, target.addresses);
  return { socket, raw: isSecured ? raw : null };
}

function connected(target: DialTarget, { connectMs, signal }: DialOptions): Promise<Socket> {
  const socket = connectTcp(tcpOptions(target));
  return settled(socket, 'connect', { limitMs: connectMs, signal }, (cause) => {
    if (cause === 'timeout')
      return fault('CONNECT_TIMEOUT', `${target.host} did not accept a connection in time`, true);
    if (isExhausted(cause)) return exhausted(cause);
    return fault('CONNECT_FAILED', `no connection to ${target.host} could be made`, true, cause);
  });
}

function tcpOptions(target: DialTarget): TcpNetConnectOpts {
  const [only] = target.addresses;
  const common = { port: target.port, noDelay: true, keepAlive: true, allowHalfOpen: true } as const;
  if (target.addresses.length === 1 && only !== undefined) return { ...common, host: only.text };
  // Node tries the addresses that `lookup` answers one after another, families taken in turns, and drops the losers.
  const lookup: LookupFunction = (_host, _options, answer) => {
    answer(
      null,
      target.addresses.map((ip) => ({ address: ip.text, family: ip.family })),
    );
  };
  return {
    ...common,
    host: 'judged.invalid',
    lookup,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
  };
}

function secured(socket: Socket, target: DialTarget, options: DialOptions): Promise<TLSSocket> {
  // A literal has no SNI (RFC 6066 section 3); its certificate is checked for the address.
  const literal = target.host.startsWith('[') || /^[0-9.]+$/.test(target.host);
  const name = target.host.replace(/^\[|\]$/g, '');
  const secure = connectTls({
    socket,
    host: name,
    ...(literal ? {} : { servername: name }),
    secureContext: options.context,
    // Said here too, since NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment would change the default.
    rejectUnauthorized: true,
    checkServerIdentity: identityProblem,
    ALPNProtocols: ALPN_H1,
    ...(options.session === null ? {} : { session: options.session }),
  });
  secure.on('session', options.onSession);
  return settled(secure, 'secureConnect', { limitMs: options.tlsMs, signal: options.signal }, (cause) => {
    if (cause === 'timeout')
      return fault('TLS_FAILED', `${target.host} did not finish the TLS handshake in time`, true);
    const untrusted = isTrustFailure(cause);
    const reason = untrusted
      ? `the certificate of ${target.host} is not trusted or names another host`
      : `the TLS handshake with ${target.host} failed`;
    return fault(untrusted ? 'TLS_UNTRUSTED' : 'TLS_FAILED', reason, false, cause);
  });
}

/** Waits for one event of a socket, its failure, the time limit or the abort; on failure the socket is destroyed. */
function settled<S extends Socket>(
  socket: S,
  event: 'connect' | 'secureConnect',
  { limitMs, signal }: { readonly limitMs: number; readonly signal: AbortSignal },
  toError: (cause: unknown) => ProxyError,
): Promise<S> {
  // For the socket's whole life: an error event that nobody hears ends the process.
  socket.on('error', ignore);
  return new Promise((resolve, reject) => {
    const done = (error: ProxyError | null): void => {
      clearTimeout(timer);
      socket.off(event, onReady);
      socket.off('error', onError);
      socket.off('close', onClose);
      signal.removeEventListener('abort', onClose);
      if (error === null) {
        resolve(socket);
        return;
      }
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(() => done(toError('timeout')), limitMs);
    const onReady = (): void => done(null);
    const onError = (error: Error): void => done(toError(error));
    const onClose = (): void => done(toError(undefined));
    socket.on(event, onReady);
    socket.on('error', onError);
    socket.on('close', onClose);
    signal.addEventListener('abort', onClose);
    if (signal.aborted) onClose();
  });
}

/** The address judged is the address dialled (contract promise 4). Nothing may come between the two. */
function assertDialled(socket: Socket, addresses: readonly Ip[]): void {
  const { remoteAddress } = socket;
  if (addresses.some((ip) => ip.text === remoteAddress)) return;
  socket.destroy();
  // The kernel forgets the address of a connection that was reset the moment it was made.
  if (remoteAddress === undefined) {
    const reason = 'the connection was closed as soon as it was made';
    throw new ProxyError('CONNECT_FAILED', { stage: 'dispatch', side: 'upstream', reason, retryable: true });
  }
  throw new ProxyError('INTERNAL', {
    stage: 'dispatch',
    side: 'proxy',
    reason: 'the address dialled is not the address judged',
  });
}

function ignore(): void {}

/** Where several addresses were tried, Node gives one error with those of all. */
function isExhausted(cause: unknown): boolean {
  const causes: readonly unknown[] = cause instanceof AggregateError ? cause.errors : [cause];
  return causes.some((each) => EXHAUSTED.has(errorCode(each)));
}

function exhausted(cause: unknown): ProxyError {
  const reason = `the proxy cannot open another connection (${errorCode(cause)})`;
  return new ProxyError('OVERLOADED', { stage: 'dispatch', side: 'proxy', reason, retryable: true, cause });
}

function fault(
  code: 'CONNECT_FAILED' | 'CONNECT_TIMEOUT' | 'TLS_UNTRUSTED' | 'TLS_FAILED',
  reason: string,
  retryable: boolean,
  cause?: unknown,
): ProxyError {
  return new ProxyError(code, { stage: 'dispatch', side: 'upstream', reason, retryable, cause });
}

/**
 * Node's check, without its last resort: a certificate that names no host in its subjectAltName is compared by its subject there, which
 * RFC 9525 section 2 no longer has, since nobody limits what an authority writes into it.
 */
function identityProblem(host: string, certificate: PeerCertificate): Error | undefined {
  const problem = checkServerIdentity(host, certificate);
  if (problem !== undefined || isIP(host) !== 0) return problem;
  const unquoted = (certificate.subjectaltname ?? '').replaceAll(/"(?:[^"\\]|\\.)*"/g, '');
  if (/(?:^|, )DNS:/.test(unquoted)) return undefined;
  return Object.assign(new Error('the certificate names its host in the subject alone'), {
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  });
}

/** X509 verification results of OpenSSL, as Node names them (`UNSPECIFIED` is one without a name), and the identity check that follows. */
const TRUST_CODES =
  /^(UNSPECIFIED$|CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED_|ERROR_IN_CERT|INVALID_(CA|PURPOSE)|PATH_LENGTH|HOSTNAME_MISMATCH|ERR_TLS_CERT_ALTNAME)/;

function isTrustFailure(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' && TRUST_CODES.test(cause.code);
}
