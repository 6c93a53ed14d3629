import { ProxyError } from '../errors.ts';
import type { ExchangeRecord } from '../observe/record.ts';
import { isReserved } from '../policy/reserved.ts';
import { decideTunnel } from '../policy/tunnel.ts';
import { wayTo } from '../upstream/way.ts';
import { denied } from './decide-request.ts';
import { intercept, protocolDenied } from './intercept.ts';
import { nameInside } from './name-inside.ts';
import { openOpaque } from './opaque.ts';
import { type Asked, destinationOf, type Opening, type TunnelClient, type TunnelConnection } from './opening.ts';
import type { Passage } from './passage.ts';

/**
 * Opens what was asked for, by whichever way in: the tunnel is decided before anything is read from it, opaque or intercepted (SEMANTICS.md 1).
 * Throws what refuses it; `record.status` says whether the client was told before that it is open.
 */
export async function openTunnel(
  asked: Asked,
  client: TunnelClient,
  passage: Passage,
  connection: TunnelConnection,
  record: ExchangeRecord,
): Promise<'over'> {
  const opening = await decideOpening(asked, client, record);
  if (opening.decision.kind !== 'intercept') return await openOpaque(opening, client, passage, connection, record);
  if (client.opaqueOnly === true)
    throw protocolDenied('PostgreSQL cannot be intercepted; it needs a rule with "tls: passthrough"');
  // Judged before the answer, so that a refused address is an answer and not a tunnel that breaks.
  const isOrigin = !isReserved(opening.host) && opening.decision.claim !== 'forward';
  if (isOrigin) await wayTo(destinationOf(opening), opening.ground);
  return await intercept(opening, client, passage, connection, record);
}

/** How the connection is read. An address that nothing names is judged by the name inside, for which the tunnel must be open. */
async function decideOpening(asked: Asked, client: TunnelClient, record: ExchangeRecord): Promise<Opening> {
  const { policy } = asked;
  let place = { host: asked.host, port: asked.port, opened: false };
  let decision = decideTunnel(policy, asked.host, asked.port, client.kind);
  if (decision.kind === 'named-inside') {
    client.sendOpen();
    record.status = 200;
    place = { host: await nameInside(client.wire, asked), port: asked.port, opened: true };
    record.host = place.host;
    decision = decideTunnel(policy, place.host, asked.port, client.kind);
  }
  if (decision.kind === 'deny') {
    record.rule = decision.rule?.label ?? null;
    throw denied(decision);
  }
  if (decision.kind === 'named-inside') {
    const reason = 'the name inside the tunnel is an address again';
    throw new ProxyError('ADDRESS_DENIED', { stage: 'tunnel', side: 'client', reason });
  }
  return { ...asked, ...place, decision };
}
