import { isIP, type Socket } from 'node:net';
import {
  checkServerIdentity,
  connect as connectTls,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import type { ProxyError } from '../errors.ts';
import { fault } from './fault.ts';
import { onceHappens, type Patience, settled } from './settled.ts';

export interface TlsTarget {
  /** Canonical; IPv6 in brackets. The certificate must name it. */
  readonly host: string;
  /** As reasons call it. */
  readonly shown: string;
  readonly context: SecureContext;
  /** What may be spoken inside (ALPN, RFC 7301), best first. */
  readonly alpn: readonly string[];
  readonly session: Buffer | null;
  readonly onSession: (session: Buffer) => void;
}

export const ALPN_H1: readonly string[] = ['http/1.1'];
export const ALPN_H2: readonly string[] = ['h2', 'http/1.1'];

/** Speaks TLS on a connection and verifies the certificate for the host. Rejects with `TLS_UNTRUSTED` or `TLS_FAILED`. */
export function secured(socket: Socket, target: TlsTarget, patience: Patience): Promise<TLSSocket> {
  // A literal has no SNI (RFC 6066 section 3); its certificate is checked for the address.
  const literal = target.host.startsWith('[') || /^[0-9.]+$/.test(target.host);
  const name = target.host.replace(/^\[|\]$/g, '');
  const secure = connectTls({
    socket,
    host: name,
    ...(literal ? {} : { servername: name }),
    secureContext: target.context,
    // Said here too, since NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment would change the default.
    rejectUnauthorized: true,
    checkServerIdentity: identityProblem,
    ALPNProtocols: [...target.alpn],
    ...(target.session === null ? {} : { session: target.session }),
  });
  secure.on('session', target.onSession);
  return settled(secure, onceHappens(secure, 'secureConnect'), patience, (cause) => problemOf(target.shown, cause));
}

function problemOf(shown: string, cause: unknown): ProxyError {
  if (cause === 'timeout') return fault('TLS_FAILED', `${shown} did not finish the TLS handshake in time`, true);
  const untrusted = isTrustFailure(cause);
  const reason = untrusted
    ? `the certificate of ${shown} is not trusted or names another host`
    : `the TLS handshake with ${shown} failed`;
  return fault(untrusted ? 'TLS_UNTRUSTED' : 'TLS_FAILED', reason, false, cause);
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
