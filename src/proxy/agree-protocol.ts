import type { Snapshot } from '../runtime/snapshot.ts';
import type { ClientHello } from '../tls/client-hello.ts';
import type { OriginPool } from '../upstream/origin-pool.ts';
import { wayTo } from '../upstream/way.ts';
import { claimAgain } from './judge-again.ts';
import { credentialsFor, destinationOf, type Opening } from './opening.ts';
import type { Passage } from './passage.ts';
import type { Services } from './services.ts';

/** curl --http1.0 offers nothing but its own name for it (IANA), and would be turned away by an alert. */
export const ALPN_H1: readonly string[] = ['http/1.1', 'http/1.0'];
const ALPN_BOTH: readonly string[] = ['h2', ...ALPN_H1];
/** A client waits with its handshake while we find out; some give up after ten seconds. */
const FINDING_MS_MAX = 3_000;

/**
 * What a client is offered (ALPN, RFC 7301): HTTP/2 only where its origin speaks it, so that neither protocol has to be translated into the other.
 * What an origin speaks is found out by connecting to it, once in a while; the connection serves the first request. A client that leaves no
 * choice gets what it wants: its streams go out as requests of HTTP/1.1.
 */
export async function protocolsFor(
  { alpn }: ClientHello,
  opening: Opening,
  passage: Passage,
  services: Services,
): Promise<readonly string[]> {
  if (!alpn.includes('h2')) return ALPN_H1;
  if (!ALPN_H1.some((name) => alpn.includes(name))) return ALPN_BOTH;
  const { sandbox, host, port, decision } = opening;
  // The host is not connected to where requests to it may be forwarded: who knows what it is, or whether it is there.
  if (decision.claim === 'forward') return ALPN_H1;
  const origin = services.pool.origin(sandbox, 'https', host, port, decision.claim);
  if (origin.speaks === null) await find(origin, opening, passage, services);
  return origin.speaks === 'h2' ? ALPN_BOTH : ALPN_H1;
}

/** An origin that cannot be reached, or not soon, is left to the first request, whose answer says what is wrong. */
async function find(
  origin: OriginPool,
  opening: Opening,
  passage: Passage,
  { pool, runtime }: Services,
): Promise<void> {
  const { current } = runtime;
  if (opening.ground.generation !== current.generation && claimAgain(opening, passage, current) !== origin.claim)
    return;
  const finding = connect(origin, opening, pool, current).catch(() => {});
  await within(finding, FINDING_MS_MAX);
}

async function connect(origin: OriginPool, opening: Opening, pool: Services['pool'], current: Snapshot): Promise<void> {
  const way = await wayTo(destinationOf(opening), current);
  const { upstreamContext: context, settings } = current;
  const parentCredentials = credentialsFor(way, current);
  const signal = new AbortController().signal;
  await pool.find(origin, way, { ...settings.limits, context, parentCredentials, signal });
}

async function within(waiting: Promise<void>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([waiting, late]);
  clearTimeout(timer);
}
