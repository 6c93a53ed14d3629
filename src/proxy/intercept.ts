import { TLSSocket } from 'node:tls';
import { hostFromRequest } from '../address/hostname.ts';
import { ProxyError, toProxyError } from '../errors.ts';
import type { ExchangeRecord } from '../observe/record.ts';
import type { Scheme } from '../policy/model.ts';
import { isReserved } from '../policy/reserved.ts';
import { type ClientHello, readClientHello } from '../tls/client-hello.ts';
import { Wire } from '../wire/wire.ts';
import { protocolsFor } from './agree-protocol.ts';
import { beginsMethod, firstBytes, TLS_HANDSHAKE } from './first-bytes.ts';
import { clientLeft, type OpaqueRun, type Opening, type TunnelClient, type TunnelConnection } from './opening.ts';
import type { Passage, TunnelTarget } from './passage.ts';
import { noteFailure } from './record.ts';
import { hostFieldOf } from './target.ts';

type Speech =
  | { readonly kind: 'tls'; readonly hello: ClientHello }
  | { readonly kind: 'http' }
  | { readonly kind: 'other'; readonly why: string };

/**
 *   client ──CONNECT, SOCKS5──▶ 200 ──ClientHello──▶ our leaf ──requests──▶ exchange
 * An intercepted tunnel: TLS ends here with a leaf for the authority, or plain HTTP is spoken inside. Each request is decided on its own.
 * Throws if the client is gone before the tunnel is open.
 */
export async function intercept(
  opening: Opening,
  client: TunnelClient,
  passage: Passage,
  connection: TunnelConnection,
  record: ExchangeRecord,
): Promise<'over'> {
  const { wire } = client;
  const left = clientLeft(wire);
  if (left !== null) throw left;
  if (!opening.opened) client.sendOpen();
  record.status = 200;
  try {
    const served = await serveInside(opening, wire, passage, connection);
    // Requests have lines of their own; a tunnel that carried none has this one.
    if (served === 0) connection.services.observer.concluded({ ...record, decision: 'allow' });
  } catch (thrown) {
    noteFailure(record, toProxyError(thrown, 'handshake'));
    wire.destroy();
    connection.services.observer.concluded(record);
  }
  return 'over';
}

/** Serves what is spoken in the tunnel; resolves with the number of requests. */
async function serveInside(
  opening: Opening,
  wire: Wire,
  passage: Passage,
  connection: TunnelConnection,
): Promise<number> {
  const silence: OpaqueRun = { judge: () => null, cut: () => wire.destroy(), drain: () => wire.destroy() };
  connection.runs(silence);
  const speech = await firstBytes(wire, opening.ground.settings.limits.clientHeadMs, detect);
  connection.runs(null);
  if (speech === null) {
    wire.destroy();
    return 0;
  }
  if (speech.kind === 'other') throw protocolDenied(speech.why);
  if (speech.kind === 'http') {
    return await connection.serveRequests(wire, {
      ...passage,
      tunnel: tunnelFor('http', opening, null),
      standing: null,
    });
  }
  if (isReserved(opening.host)) throw protocolDenied('TLS is spoken to the proxy itself');
  checkName(speech.hello, opening);
  connection.runs(silence);
  const alpn = await protocolsFor(speech.hello, opening, passage, connection.services);
  connection.runs(null);
  const raw = wire.socket;
  const secure = await handshake(wire, opening, alpn);
  const socket = secure.socket as TLSSocket;
  const inside = { ...passage, tunnel: tunnelFor('https', opening, socket.getProtocol()), standing: null };
  if (socket.alpnProtocol === 'h2') return await connection.serveStreams(secure, raw, inside);
  return await connection.serveRequests(secure, inside);
}

function tunnelFor(scheme: Scheme, { host, port, sandbox }: Opening, tls: string | null): TunnelTarget {
  return { scheme, host, port, hostField: hostFieldOf({ scheme, host, port }), tls, sandbox };
}

/** TLS or HTTP, by what is spoken and never by the port (SEMANTICS.md 1). */
function detect(bytes: Buffer): Speech | null {
  if (bytes[0] !== TLS_HANDSHAKE) {
    return beginsMethod(bytes)
      ? { kind: 'http' }
      : { kind: 'other', why: 'neither TLS nor HTTP is spoken in the tunnel' };
  }
  const reading = readClientHello(bytes);
  if (reading.kind === 'need-more') return null;
  if (reading.kind === 'refused') return { kind: 'other', why: `the ClientHello is not valid (${reading.why})` };
  return { kind: 'tls', hello: reading };
}

/** SNI and CONNECT name the same host (contract promise 4). A client that names none gets the leaf of the authority. */
function checkName(hello: ClientHello, opening: Pick<Opening, 'host'>): void {
  if (hello.sni === null) return;
  const named = hostFromRequest(hello.sni);
  if (named.ok && named.host === opening.host) return;
  throw new ProxyError('TARGET_MISMATCH', {
    stage: 'handshake',
    side: 'client',
    reason: 'the SNI names another host than the CONNECT authority',
  });
}

export const protocolDenied = (reason: string): ProxyError =>
  new ProxyError('PROTOCOL_DENIED', { stage: 'detect', side: 'client', reason });

/** Ends the client's TLS with a leaf for the authority, which the policy allowed before. */
function handshake(wire: Wire, { host, ground }: Opening, alpn: readonly string[]): Promise<Wire> {
  const secureContext = ground.leaves.contextFor(host);
  const raw = wire.socket;
  wire.release();
  const socket = new TLSSocket(raw, { isServer: true, secureContext, ALPNProtocols: [...alpn] });
  const secure = new Wire(socket, raw);
  secure.noticeResets();
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      socket.destroy();
      raw.destroy();
      reject(new ProxyError('TLS_FAILED', { stage: 'handshake', side: 'client', reason, cause: secure.error }));
    };
    secure.give({
      // Bytes wait for the requests that follow; an end before the handshake's leaves nobody to finish it with.
      onReadable: () => {
        if (secure.ended) fail('the client left in the middle of the TLS handshake');
      },
      onGone: () => fail('the client broke off the TLS handshake; does it trust the CA?'),
      onDeadline: () => fail('the client did not finish the TLS handshake in time'),
    });
    secure.expireIn(ground.settings.limits.tlsMs);
    socket.once('secure', () => {
      secure.give(null);
      secure.expireNever();
      resolve(secure);
    });
  });
}
