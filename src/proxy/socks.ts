import { hostFromRequest } from '../address/hostname.ts';
import { ProxyError, toProxyError } from '../errors.ts';
import type { ExchangeRecord } from '../observe/record.ts';
import { REPLY } from '../socks5/answers.ts';
import type { SocksMessage, SocksRequest } from '../socks5/reader.ts';
import { closeGently } from '../wire/close.ts';
import type { Wire } from '../wire/wire.ts';
import { admit } from './admit.ts';
import { openTunnel } from './open-tunnel.ts';
import { type Asked, groundOf, type OpaqueRun, type TunnelConnection } from './opening.ts';
import type { Passage } from './passage.ts';
import { noteFailure, openRecord } from './record.ts';
import type { Services } from './services.ts';
import { AT_THE_DOOR, SocksClient } from './socks-client.ts';
import { identify, policyOf } from './standing.ts';

/**
 *   client ──methods──▶ [user and password] ──CONNECT──▶ tunnel
 * SOCKS5 (RFC 1928, RFC 1929): what it asks for and who asks, then a tunnel like any other. One connection is one tunnel.
 */
export async function serveSocks(wire: Wire, passage: Passage, connection: TunnelConnection): Promise<void> {
  // No generation is kept here: the tunnel can be open for hours.
  const { runtime, observer } = connection.services;
  const record = openRecord(passage.entrance, 'tunnel', runtime.current.generation, performance.now());
  record.method = 'CONNECT';
  const asking: OpaqueRun = { judge: () => null, cut: () => wire.destroy(), drain: () => wire.destroy() };
  connection.runs(asking);
  const client = new SocksClient(wire, runtime.current.settings.limits.clientHeadMs);
  try {
    const request = await askedBy(client, passage, connection);
    // It left before it had asked for anything.
    if (request === null) return closeGently(wire);
    const asked = readRequest(request, passage, connection, record);
    await openTunnel(asked, client, passage, connection, record);
  } catch (thrown) {
    const error = toProxyError(thrown, 'tunnel');
    noteFailure(record, error);
    // A tunnel that was opened and then refused can only be closed.
    if (record.status !== null) wire.destroyAfterWrites();
    else {
      record.status = error.status;
      client.refuse(error, thrown instanceof Unsupported ? thrown.reply : undefined);
    }
    observer.concluded(record);
  } finally {
    connection.runs(null);
  }
}

/** SOCKS5 has answers of its own for what is not done here (RFC 1928 section 6). */
class Unsupported extends ProxyError {
  readonly reply: number;

  constructor(reply: number, reason: string) {
    super('PROTOCOL_DENIED', { ...AT_THE_DOOR, reason, hint: 'Ask for CONNECT to a name or an address.' });
    this.reply = reply;
  }
}

/** The request, once method and credentials are settled; null if the client left before. */
async function askedBy(
  client: SocksClient,
  passage: Passage,
  connection: TunnelConnection,
): Promise<SocksRequest | null> {
  for (;;) {
    const message = await client.next();
    if (message === null || message.kind === 'request') return message;
    if (message.kind === 'greeting') client.choose(methodFor(message, passage, connection));
    else if (message.kind === 'credentials') {
      const { username, password } = message;
      passage.evidence = { ...passage.evidence, credentials: { username, password } };
      needsNoOtherToken(passage, connection);
      client.acceptCredentials();
    } else if (message.part === 'address') throw new Unsupported(REPLY.addressUnsupported, message.why);
    else throw new ProxyError('REQUEST_INVALID', { ...AT_THE_DOOR, reason: message.why });
  }
}

/** A client that offers user and password has some, and they are judged. One that offers none is let in if it needs none. */
function methodFor(
  { offersNone, offersPassword }: Extract<SocksMessage, { readonly kind: 'greeting' }>,
  passage: Passage,
  connection: TunnelConnection,
): 'none' | 'password' {
  if (offersPassword) return 'password';
  if (!offersNone) {
    const reason = 'the client offers neither "no authentication" nor "username/password"';
    throw new ProxyError('PROTOCOL_DENIED', { ...AT_THE_DOOR, reason });
  }
  needsNoOtherToken(passage, connection);
  return 'none';
}

/** Throws `TOKEN_REQUIRED`. Any other refusal waits for the request, so that its line says what was asked for. */
function needsNoOtherToken({ evidence }: Passage, { services }: TunnelConnection): void {
  const found = services.runtime.current.identity.identify(evidence);
  if (found.kind === 'refused' && found.code === 'TOKEN_REQUIRED')
    throw new ProxyError(found.code, { stage: 'identify', side: 'client', reason: found.reason });
}

/** Who asks, and for what. Throws what refuses it. */
function readRequest(
  { command, host: text, port }: SocksRequest,
  passage: Passage,
  connection: TunnelConnection,
  record: ExchangeRecord,
): Asked {
  const snapshot = connection.services.runtime.current;
  const reading = hostFromRequest(text);
  if (reading.ok) record.host = reading.host;
  record.port = port;
  const sandbox = identify(snapshot, passage.evidence);
  record.sandbox = sandbox.name;
  admit(connection, sandbox.name);
  if (command !== 'connect')
    throw new Unsupported(REPLY.commandUnsupported, `the SOCKS command is ${command}, not connect`);
  if (!reading.ok) throw badTarget(`the host of the SOCKS request ${reading.why}`);
  if (port === 0) throw badTarget('the port of the SOCKS request is 0');
  return { host: reading.host, port, ground: groundOf(snapshot), sandbox: sandbox.name, policy: policyOf(sandbox) };
}

const badTarget = (reason: string): ProxyError =>
  new ProxyError('TARGET_INVALID', { ...AT_THE_DOOR, reason, hint: 'Ask for a host name or an address, and a port.' });

/** SOCKS4 knows neither names (before 4A) nor tokens; it is closed, since no answer of ours would be one to it. */
export function refuseSocks4(wire: Wire, { entrance }: Passage, { runtime, observer }: Services): void {
  const record = openRecord(entrance, 'tunnel', runtime.current.generation, performance.now());
  const hint = 'Use SOCKS5 (socks5h://), or HTTP.';
  noteFailure(record, new ProxyError('PROTOCOL_DENIED', { ...AT_THE_DOOR, reason: 'SOCKS4 is not spoken here', hint }));
  wire.destroy();
  observer.concluded(record);
}
