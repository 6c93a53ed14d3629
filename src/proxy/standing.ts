import { ProxyError } from '../errors.ts';
import { countOf, type FieldList, firstValue } from '../headers/field-list.ts';
import type { ExchangeRecord } from '../observe/record.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import type { ClientEvidence } from '../runtime/identity.ts';
import type { Sandbox, Snapshot } from '../runtime/snapshot.ts';
import type { ClientRequest } from './client-request.ts';
import type { Passage, Standing, TunnelTarget } from './passage.ts';
import type { Services } from './services.ts';

/** Which sandbox the evidence makes the client, in one generation. Throws `TOKEN_REQUIRED`, `IDENTITY_CONFLICT`. */
export function identify(snapshot: Snapshot, evidence: ClientEvidence): Sandbox {
  const identity = snapshot.identity.identify(evidence);
  if (identity.kind === 'refused') {
    throw new ProxyError(identity.code, { stage: 'identify', side: 'client', reason: identity.reason });
  }
  const sandbox = snapshot.sandboxes.get(identity.name);
  if (sandbox === undefined) throw new ProxyError('POLICY_UNAVAILABLE', { stage: 'identify', side: 'proxy' });
  return sandbox;
}

export function policyOf(sandbox: Sandbox): CompiledPolicy {
  if (sandbox.policy !== null) return sandbox.policy;
  const reason = `the policy of sandbox ${sandbox.name} is not loaded`;
  throw new ProxyError('POLICY_UNAVAILABLE', { stage: 'identify', side: 'proxy', reason });
}

/** Where a request stands: its sandbox and, inside a tunnel, the rules of the tunnel's host. */
export function requestStanding(
  client: ClientRequest,
  passage: Passage,
  services: Services,
  record: ExchangeRecord,
): Standing {
  const { tunnel } = passage;
  const standing =
    tunnel === null ? plainStanding(client, passage, services) : tunnelStanding(passage, tunnel, services);
  record.sandbox = standing.sandbox.name;
  record.tls = tunnel?.tls ?? null;
  return standing;
}

/** On plain HTTP identity is per request (SEMANTICS.md 9): each brings its own credentials. */
function plainStanding(client: ClientRequest, passage: Passage, services: Services): Standing {
  const snapshot = services.runtime.current;
  const known = passage.standing;
  if (known !== null && known.snapshot === snapshot && !snapshot.identity.usesTokens) return known;
  const fields = client.head.kind === 'refused' ? [] : client.head.fields;
  if (passage.evidence.tokenless !== true)
    passage.evidence = { ...passage.evidence, credentials: proxyCredentials(fields) };
  const sandbox = identify(snapshot, passage.evidence);
  passage.standing = { snapshot, sandbox, host: null };
  return passage.standing;
}

/** What the generation in force says of an intercepted tunnel; computed once for each generation, not for each request. */
function tunnelStanding(passage: Passage, tunnel: TunnelTarget, services: Services): Standing {
  const snapshot = services.runtime.current;
  const known = passage.standing;
  if (known !== null && known.snapshot === snapshot) return known;
  const sandbox = identify(snapshot, passage.evidence);
  if (sandbox.name !== tunnel.sandbox) {
    const reason = 'the client is another sandbox than when it opened this tunnel';
    throw new ProxyError('IDENTITY_CONFLICT', { stage: 'identify', side: 'client', reason });
  }
  const standing = standingIn(tunnel, sandbox, snapshot, services);
  passage.standing = standing;
  return standing;
}

function standingIn(tunnel: TunnelTarget, sandbox: Sandbox, snapshot: Snapshot, services: Services): Standing {
  const rules = policyOf(sandbox).rulesFor(tunnel.host);
  const claim = rules === null ? 'unnamed' : 'named';
  const origin = services.pool.origin(sandbox.name, tunnel.scheme, tunnel.host, tunnel.port, claim);
  return { snapshot, sandbox, host: { rules, origin } };
}

/** `Proxy-Authorization: Basic` (RFC 7617); null for anything else. Throws if two could name two sandboxes. */
export function proxyCredentials(fields: FieldList): ClientEvidence['credentials'] {
  if (countOf(fields, 'proxy-authorization') > 1) {
    const reason = 'Proxy-Authorization came twice';
    throw new ProxyError('HEADERS_AMBIGUOUS', { stage: 'identify', side: 'client', reason });
  }
  const value = firstValue(fields, 'proxy-authorization');
  const encoded = value === undefined ? null : /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(value);
  if (encoded === null) return null;
  const text = Buffer.from(encoded[1] ?? '', 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? null : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
