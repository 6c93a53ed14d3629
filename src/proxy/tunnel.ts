import { parseAuthority } from '../address/authority.ts';
import { type Code, ProxyError, toProxyError } from '../errors.ts';
import { countOf, field, firstValue } from '../headers/field-list.ts';
import { requestFraming } from '../http1/framing.ts';
import type { RequestHead } from '../http1/request-head.ts';
import type { ExchangeRecord } from '../observe/record.ts';
import { admit } from './admit.ts';
import type { H1Client, H1Request } from './h1-client.ts';
import { openTunnel } from './open-tunnel.ts';
import { type Asked, groundOf, TUNNEL_OPEN, type TunnelClient, type TunnelConnection } from './opening.ts';
import type { Passage } from './passage.ts';
import { noteFailure, openRecord } from './record.ts';
import { errorBody, refusedConnect } from './reply.ts';
import { identify, policyOf, proxyCredentials } from './standing.ts';

/**
 * CONNECT (RFC 9110 section 9.3.6): what it asks for and who asks, then a tunnel like any other.
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
    return await openTunnel(asked, asTunnelClient(client), passage, connection, record);
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

const asTunnelClient = (client: H1Client): TunnelClient => ({
  kind: 'connect',
  wire: client.wire,
  onAbort: (callback) => client.onAbort(callback),
  sendOpen: () => void client.wire.writeText(TUNNEL_OPEN),
});

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
