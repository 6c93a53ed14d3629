import { ProxyError } from '../errors.ts';
import { forwardOf } from '../policy/decide.ts';
import { KeyFileError } from '../statement/key-file.ts';
import type { Passing } from './decide-request.ts';
import type { Flight } from './flight.ts';
import type { Received } from './receive.ts';
import type { Services } from './services.ts';
import { hostFieldOf } from './target.ts';

/**
 * The signed statement for a request that its rule forwards; null for any other. Signed before a connection is taken from the pool, which would
 * have to be held meanwhile. Rejects with `SECRET_UNAVAILABLE` where there is no key.
 */
export function statementFor(
  { head, target }: Received,
  decision: Passing,
  { signer }: Services,
  { record }: Flight,
): Promise<string> | null {
  const forward = forwardOf(decision);
  if (forward === null) return null;
  const subject = {
    sandbox: record.sandbox ?? '',
    audience: `https://${hostFieldOf({ scheme: 'https', ...forward })}`,
    id: record.id,
    method: head.method,
    origin: `${target.scheme}://${hostFieldOf(target)}`,
    path: target.path,
    rule: decision.rule?.label ?? '',
  };
  return signer.sign(subject).catch((error: unknown) => {
    throw error instanceof KeyFileError ? withoutKey(error) : error;
  });
}

function withoutKey(cause: KeyFileError): ProxyError {
  const reason = 'The key that says for whom a request is forwarded is not available.';
  return new ProxyError('SECRET_UNAVAILABLE', { stage: 'inject', side: 'proxy', reason, cause });
}
