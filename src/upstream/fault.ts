import { ProxyError } from '../errors.ts';

/** What went wrong on the way to a host, at the upstream's side. `retryable`: nothing was sent that could have had an effect. */
export function fault(
  code: 'CONNECT_FAILED' | 'CONNECT_TIMEOUT' | 'TLS_UNTRUSTED' | 'TLS_FAILED',
  reason: string,
  retryable: boolean,
  cause?: unknown,
): ProxyError {
  return new ProxyError(code, { stage: 'dispatch', side: 'upstream', reason, retryable, cause });
}
