import { claimOf, forwardOf } from '../policy/decide.ts';
import type { Carrier } from '../upstream/carrier.ts';
import type { OriginPool } from '../upstream/origin-pool.ts';
import type { Pool } from '../upstream/pool.ts';
import { type Way, wayTo } from '../upstream/way.ts';
import type { Passing } from './decide-request.ts';
import { forwardWay } from './forward-way.ts';
import type { Standing } from './passage.ts';
import type { Received } from './receive.ts';
import type { Services } from './services.ts';
import { policyOf } from './standing.ts';
import type { Target } from './target.ts';

/** How a request gets to its origin: on a connection that is there, or by a judged way. */
export interface Route {
  readonly origin: OriginPool;
  readonly pooled: Carrier | null;
  /** Asked for only if there is no pooled connection, or it turns out to be dead. */
  way(): Way | Promise<Way>;
  /** The client speaks HTTP/2: a stream is wanted, where the origin has some. */
  readonly multiplexed: boolean;
  /** May be sent twice without a second effect (RFC 9110 section 9.2.2), and its body, if any, is not gone after the first. */
  readonly repeatable: boolean;
}

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** Finds the way; a promise only where DNS must be asked. A pooled connection was resolved, judged and dialled before, and keeps its judged address for life. */
export function resolveRoute(
  received: Received,
  standing: Standing,
  decision: Passing,
  services: Services,
): Route | Promise<Route> {
  const { snapshot, sandbox } = standing;
  const { scheme, host, port } = placeOf(received, decision);
  const policy = policyOf(sandbox);
  const claim = claimOf(decision);
  const known = standing.host?.origin;
  const origin = known?.claim === claim ? known : services.pool.origin(sandbox.name, scheme, host, port, claim);
  const destination = { host, port, claim, policy };
  const way = () => (claim === 'forward' ? forwardWay(destination, snapshot) : wayTo(destination, snapshot));
  const repeatable = received.body === null && IDEMPOTENT.has(received.head.method);
  const multiplexed = received.head.version === '2';
  const pooled = multiplexed ? taken(services.pool, origin, repeatable) : services.pool.take(origin, repeatable);
  const route = { origin, pooled, way, multiplexed, repeatable };
  if (pooled !== null) return route;
  const found = way();
  return found instanceof Promise ? found.then((known) => ({ ...route, way: () => known })) : route;
}

/** For a client of HTTP/2: a stream, or one of the connections of an origin that has none. */
function taken(pool: Pool, origin: OriginPool, repeatable: boolean): Carrier | null {
  const stream = pool.takeStream(origin);
  return stream === null && origin.speaks === 'h1' ? pool.take(origin, repeatable) : stream;
}

/** Where it is sent: to its origin, or where its rule forwards to. */
function placeOf({ target }: Received, decision: Passing): Pick<Target, 'scheme' | 'host' | 'port'> {
  const forward = forwardOf(decision);
  return forward === null ? target : { scheme: 'https', host: forward.host, port: forward.port };
}
