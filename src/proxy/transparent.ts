import { hostFromRequest } from '../address/hostname.ts';
import { ProxyError, toProxyError } from '../errors.ts';
import type { ExchangeRecord } from '../observe/record.ts';
import { closeGently } from '../wire/close.ts';
import type { Wire } from '../wire/wire.ts';
import { admit } from './admit.ts';
import { firstBytes } from './first-bytes.ts';
import { protocolDenied } from './intercept.ts';
import { openTunnel } from './open-tunnel.ts';
import { type Asked, groundOf, type OpaqueRun, type TunnelConnection } from './opening.ts';
import type { Passage } from './passage.ts';
import { noteFailure, openRecord } from './record.ts';
import { identify, policyOf } from './standing.ts';
import { RedirectedClient } from './transparent-client.ts';
import { type Speech, SpeechReader } from './transparent-speech.ts';

/**
 *   client ──ClientHello──▶ its SNI ──▶ tunnel          client ──GET, Host──▶ requests
 * A connection that the network brought here, from a client that believes to speak to its host. The name that it says takes the place of the
 * authority, the listener's port that of the port (SEMANTICS.md 1); where it was going is not asked, since only the client would vouch for it.
 */
export async function serveTransparent(wire: Wire, passage: Passage, connection: TunnelConnection): Promise<void> {
  const { runtime, observer } = connection.services;
  const record = openRecord(passage.entrance, 'tunnel', runtime.current.generation, performance.now());
  record.port = passage.entrance.meantPort;
  const silence: OpaqueRun = { judge: () => null, cut: () => wire.destroy(), drain: () => wire.destroy() };
  connection.runs(silence);
  const client = new RedirectedClient(wire);
  try {
    const speech = await speechOn(client, connection);
    // It said nothing.
    if (speech === null) return closeGently(wire);
    if (speech.kind === 'http') {
      connection.runs(null);
      await connection.serveRequests(wire, passage);
      return;
    }
    const asked = readSpeech(speech, passage, connection, record);
    await openTunnel(asked, client, passage, connection, record);
  } catch (thrown) {
    const error = toProxyError(thrown, 'tunnel');
    noteFailure(record, error);
    client.refuse(error);
    observer.concluded(record);
  } finally {
    connection.runs(null);
  }
}

/** What is spoken, from the first bytes; null if none came. Throws `REQUEST_TIMEOUT`, and `REQUEST_INVALID` if the client left in the middle. */
async function speechOn(client: RedirectedClient, { services }: TunnelConnection): Promise<Speech | null> {
  const { wire } = client;
  const reader = new SpeechReader();
  const { clientHeadMs } = services.runtime.current.settings.limits;
  const speech = await firstBytes(wire, clientHeadMs, (bytes) => {
    const seen = reader.read(bytes);
    if (seen.kind === 'need-more') return null;
    if (seen.kind !== 'preface') return seen;
    wire.inbox.skip(seen.bytes);
    wire.write(seen.answer);
    client.prefaced = reader.isPostgres;
    return null;
  });
  if (speech !== null) return speech;
  if (wire.inbox.length === 0 && !reader.hasAnswered) return null;
  const code = wire.ended ? 'REQUEST_INVALID' : 'REQUEST_TIMEOUT';
  const reason = wire.ended
    ? 'the client left before its first message was whole'
    : 'its first message did not arrive in time';
  throw new ProxyError(code, { stage: 'detect', side: 'client', reason });
}

/** Who asks, and for what. Throws what refuses it. */
function readSpeech(
  speech: Exclude<Speech, { readonly kind: 'http' }>,
  passage: Passage,
  connection: TunnelConnection,
  record: ExchangeRecord,
): Asked {
  const snapshot = connection.services.runtime.current;
  const sni = speech.kind === 'tls' ? speech.sni : null;
  const named = sni === null ? null : hostFromRequest(sni);
  if (named?.ok === true) record.host = named.host;
  const sandbox = identify(snapshot, passage.evidence);
  record.sandbox = sandbox.name;
  admit(connection, sandbox.name);
  if (speech.kind === 'other') throw protocolDenied(speech.why);
  if (named === null) throw addressDenied('a redirected connection whose ClientHello names no host');
  if (!named.ok) throw protocolDenied(`the server name ${named.why}`);
  // RFC 6066 section 3: a literal is no host_name.
  if (named.kind !== 'name') throw addressDenied('the server name of a redirected connection is an address');
  const port = passage.entrance.meantPort ?? 0;
  return { host: named.host, port, ground: groundOf(snapshot), sandbox: sandbox.name, policy: policyOf(sandbox) };
}

const addressDenied = (reason: string): ProxyError =>
  new ProxyError('ADDRESS_DENIED', { stage: 'tunnel', side: 'client', reason });
