import { ProxyError, toProxyError } from '../errors.ts';
import { FORWARD_SHOWN } from '../upstream/origin.ts';
import { type Destination, type Way, type Ways, wayTo } from '../upstream/way.ts';

/**
 * The way to where a rule forwards to. Whatever is wrong with it is ours and not the client's, so it is 502 (SEMANTICS.md 13), and the answer tells
 * neither the host nor its addresses, which are nothing of the sandbox's.
 */
export function forwardWay(destination: Destination, ways: Ways): Way | Promise<Way> {
  try {
    const way = wayTo(destination, ways);
    if (!(way instanceof Promise)) return way;
    return way.catch((error: unknown) => {
      throw told(error);
    });
  } catch (error) {
    throw told(error);
  }
}

function told(thrown: unknown): ProxyError {
  const error = toProxyError(thrown, 'resolve');
  if (error.code === 'ADDRESS_DENIED') return forwardClosed(error);
  if (error.code !== 'DNS_FAILED') return error;
  return failed('DNS_FAILED', `the name of ${FORWARD_SHOWN} could not be resolved`, error);
}

/** Its host, or every address of it, is none that `forward_to` allows. */
export const forwardClosed = (cause: ProxyError): ProxyError =>
  failed('CONNECT_FAILED', `${FORWARD_SHOWN} is not where "forward_to" allows it to be`, cause);

const failed = (code: 'CONNECT_FAILED' | 'DNS_FAILED', reason: string, cause: ProxyError): ProxyError =>
  new ProxyError(code, { stage: 'resolve', side: 'upstream', reason, hint: HINT, cause });

const HINT = 'An operator must look at the "forward" of this rule, and at "forward_to".';
