import { parseAuthority } from '../address/authority.ts';
import { hostFromRequest } from '../address/hostname.ts';
import { type Code, ProxyError, toProxyError } from '../errors.ts';
import { countOf, field, firstValue } from '../headers/field-list.ts';
import { requestFraming } from '../http1/framing.ts';
import type { RequestHead } from '../http1/request-head.ts';
import type { ExchangeRecord } from '../observe/record.ts';
import { isReserved } from '../policy/reserved.ts';
import { decideTunnel } from '../policy/tunnel.ts';
import { readClientHello } from '../tls/client-hello.ts';
import { judgedAddresses } from '../upstream/judge.ts';
import type { Wire } from '../wire/wire.ts';
import { admit } from './admit.ts';
import { denied } from './decide-request.ts';
import { firstBytes } from './first-bytes.ts';
import type { H1Client, H1Request } from './h1-client.ts';
import { intercept } from './intercept.ts';
import { openOpaque } from './opaque.ts';
import { type Asked, destinationOf, groundOf, type Opening, TUNNEL_OPEN, type TunnelConnection } from './opening.ts';
import type { Passage } from './passage.ts';
import { noteFailure, openRecord } from './record.ts';
import { errorBody, refusedConnect } from './reply.ts';
import { identify, policyOf, proxyCredentials } from './standing.ts';

/**
 * CONNECT (RFC 9110 section 9.3.6). The tunnel is decided before anything is read from it: opaque, or intercepted (SEMANTICS.md 1).
 * `over`: it was opened and has ended. `refused`: the client may try again on the same connection.
 */
export async function tunnel(
  request: H1Request,
  client: H1Client,
  passage: Passage,
  connection: TunnelConnection,
): Promise<'over' | 'refused'> {
  const { services } = connection;
  const record = openRecord(connection.entrance, 'tunnel', services.runtime.current.generation, request.startedMs);
  record.method = 'CONNECT';
  try {
    const asked = readConnect(request, passage, connection, record);
    const opening = await decideOpening(asked, client, record);
    if (opening.decision.kind !== 'intercept') return await openOpaque(opening, client, passage, connection, record);
    // Judged before the 200, so that a refused address is an answer to CONNECT and not a tunnel that breaks.
    if (!isReserved(opening.host))
      await judgedAddresses(destinationOf(opening), opening.ground.resolver, opening.ground.addresses);
    return await intercept(opening, client, passage, connection, record);
  } catch (thrown) {
    const error = toProxyError(thrown, 'tunnel');
    noteFailure(record, error);
    // A tunnel that was opened and then refused can only be closed.
    if (record.status !== null) client.wire.destroy();
    else refuse(request, client, record, error);
    services.observer.concluded(record);
    return 'refused';
  }
}

/** Reads a CONNECT and who sent it. Throws what refuses it. */
function readConnect(
  request: H1Request,
  passage: Passage,
  connection: TunnelConnection,
  record: ExchangeRecord,
): Asked {
  const snapshot = connection.services.runtime.current;
  const { head } = request;
  if (head.kind === 'refused') throw refusal('REQUEST_INVALID', head.why);
  const { host, port } = readAuthority(head);
  record.host = host;
  record.port = port;
  passage.evidence = { ...passage.evidence, credentials: proxyCredentials(head.fields) };
  const sandbox = identify(snapshot, passage.evidence);
  record.sandbox = sandbox.name;
  admit(connection, sandbox.name);
  // Plain requests before it have left what they knew, and the tunnel will outlive it.
  passage.standing = null;
  return { host, port, ground: groundOf(snapshot), sandbox: sandbox.name, policy: policyOf(sandbox) };
}

/** How the connection is read. An address that nothing names is judged by the name inside, for which the tunnel must be open. */
async function decideOpening(asked: Asked, client: H1Client, record: ExchangeRecord): Promise<Opening> {
  const { policy } = asked;
  let place = { host: asked.host, port: asked.port, opened: false };
  let decision = decideTunnel(policy, asked.host, asked.port, 'connect');
  if (decision.kind === 'named-inside') {
    client.wire.writeText(TUNNEL_OPEN);
    record.status = 200;
    place = { host: await nameInside(client.wire, asked), port: asked.port, opened: true };
    record.host = place.host;
    decision = decideTunnel(policy, place.host, asked.port, 'connect');
  }
  if (decision.kind === 'deny') {
    record.rule = decision.rule?.label ?? null;
    throw denied(decision);
  }
  if (decision.kind === 'named-inside')
    throw refusal('ADDRESS_DENIED', 'the name inside the tunnel is an address again');
  return { ...asked, ...place, decision };
}

/** The SNI of a tunnel to an address (SEMANTICS.md 1). */
async function nameInside(wire: Wire, { ground }: Asked): Promise<string> {
  const reading = await firstBytes(wire, ground.settings.limits.clientHeadMs, (bytes) => {
    const seen = readClientHello(bytes);
    return seen.kind === 'need-more' ? null : seen;
  });
  const named = reading?.kind === 'hello' && reading.sni !== null ? hostFromRequest(reading.sni) : null;
  if (named?.ok) return named.host;
  throw refusal('ADDRESS_DENIED', 'a tunnel to an address that no rule names, without a TLS name inside');
}

/** Authority-form, exactly (RFC 9112 section 3.2.3), and a Host that names the same host. */
function readAuthority(head: RequestHead): { readonly host: string; readonly port: number } {
  const authority = parseAuthority(head.target, null);
  if (!authority.ok) {
    const reason = `the CONNECT authority ${authority.why}`;
    throw new ProxyError('TARGET_INVALID', {
      stage: 'tunnel',
      side: 'client',
      reason,
      hint: 'Send CONNECT host:port.',
    });
  }
  const framing = requestFraming(head);
  if (framing.kind !== 'none' && !(framing.kind === 'length' && framing.bytes === 0)) {
    throw refusal('FRAMING_INVALID', 'CONNECT with a body');
  }
  if (countOf(head.fields, 'host') > 1) throw refusal('HEADERS_AMBIGUOUS', 'Host came twice');
  const value = firstValue(head.fields, 'host');
  const named = value === undefined ? authority : parseAuthority(value, authority.port);
  if (!named.ok || named.host !== authority.host) {
    throw refusal('TARGET_MISMATCH', 'Host names another host than the CONNECT authority');
  }
  return authority;
}

/** RFC 9110 section 9.3.6: a refusal is an ordinary answer, so it is framed and the connection may go on. */
function refuse(request: H1Request, client: H1Client, record: ExchangeRecord, error: ProxyError): void {
  if (client.wire.gone) return;
  const { reason, fields } = refusedConnect(record, error);
  record.status = error.status;
  const body = Buffer.from(errorBody(record, error));
  // Only the client that is asked for a token tries again on the same connection.
  if (error.code === 'TOKEN_REQUIRED') request.body({ kind: 'none' });
  const length = [field('Content-Type', 'application/json'), field('Content-Length', String(body.length))];
  const sink = request.sendHead({ status: error.status, reason, fields: [...fields, ...length], length: 'declared' });
  sink.write(body);
  sink.end([]);
}

function refusal(code: Code, reason: string): ProxyError {
  return new ProxyError(code, { stage: 'tunnel', side: 'client', reason });
}
