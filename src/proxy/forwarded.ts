import assert from 'node:assert';
import { countOf, type FieldList, field } from '../headers/field-list.ts';
import { forwardedValue, isForwardingField } from '../headers/forwarded.ts';
import { forwardOf } from '../policy/decide.ts';
import type { Outgoing } from './inject-into.ts';
import { hostFieldOf } from './target.ts';

/** Where a receiver finds who asked, signed. */
export const STATEMENT_FIELD = 'X-Postern-Statement';

/**
 * The request as it is sent where its rule forwards to (SEMANTICS.md 13): the path behind that of the URL, `Host` of the URL, and in place of all that the
 * client says about where it comes from, what we say.
 */
export function forwarded(outgoing: Outgoing, statement: string, sandbox: string): Outgoing {
  const forward = forwardOf(outgoing.decision);
  assert(forward !== null, 'only a request that is forwarded has a statement');
  const { target } = outgoing.received;
  const kept = outgoing.fields.filter(({ lower }) => !isForwardingField(lower));
  const fields = [
    ...withHost(kept, hostFieldOf({ scheme: 'https', ...forward })),
    field('Forwarded', forwardedValue({ sandbox, host: hostFieldOf(target), proto: target.scheme })),
    // Good for a minute to whoever has it: no HTTP/2 compressor keeps it.
    { ...field(STATEMENT_FIELD, statement), sensitive: true as const },
  ];
  return { ...outgoing, target: behind(forward.path, outgoing.target), fields };
}

/** In place of the client's own; an HTTP/1.0 request may have none. */
function withHost(fields: FieldList, host: string): FieldList {
  if (countOf(fields, 'host') === 0) return [field('Host', host), ...fields];
  return fields.map((each) => (each.lower === 'host' ? { ...each, value: host } : each));
}

/** A path that could leave the prefix was `PATH_AMBIGUOUS`. `*` is about a server as a whole, and this server is the URL. */
function behind(prefix: string, resource: string): string {
  if (resource === '*') return prefix === '' ? '/' : prefix;
  return `${prefix}${resource}`;
}
