import { parseAuthority } from '../address/authority.ts';
import { type Code, ProxyError } from '../errors.ts';
import { firstValue } from '../headers/field-list.ts';
import type { RequestHead } from '../http1/request-head.ts';
import { defaultPort, type Target } from './target.ts';

/**
 * Where a redirected request was meant for: the host that its Host names, on the port that the listener stands for. Null where the client speaks
 * to a proxy and names its target itself. Throws where Host names nothing, or another port: what was dialled is not known, and what a client
 * says of it is not trusted further than its policy goes.
 */
export function placeMeant(
  { fields, version }: RequestHead,
  meantPort: number | null,
): Pick<Target, 'scheme' | 'host' | 'port'> | null {
  if (meantPort === null) return null;
  const host = firstValue(fields, 'host');
  if (host === undefined) {
    if (version === '1.0') throw refusal('ADDRESS_DENIED', 'a redirected request without Host names no host');
    throw refusal('REQUEST_INVALID', 'an HTTP/1.1 request without Host');
  }
  const named = parseAuthority(host, defaultPort('http'));
  if (!named.ok) throw refusal('REQUEST_INVALID', `Host ${named.why}`);
  if (named.port !== meantPort)
    throw refusal('TARGET_MISMATCH', `Host names port ${named.port}, and what arrives here was meant for ${meantPort}`);
  return { scheme: 'http', host: named.host, port: meantPort };
}

const refusal = (code: Code, reason: string): ProxyError =>
  new ProxyError(code, { stage: 'receive', side: 'client', reason });
