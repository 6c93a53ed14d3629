import { type ProxyError, toProxyError } from '../errors.ts';
import { admit, type CountedConnection } from './admit.ts';
import type { ClientRequest } from './client-request.ts';
import { decideRequest } from './decide-request.ts';
import { dispatch } from './dispatch.ts';
import { Flight } from './flight.ts';
import { injectInto } from './inject-into.ts';
import type { Passage } from './passage.ts';
import { receive } from './receive.ts';
import { noteFailure, openRecord } from './record.ts';
import { relay } from './relay.ts';
import { reply } from './reply.ts';
import { resolveRoute } from './resolve-route.ts';
import { requestStanding } from './standing.ts';

/** The connection that a request came on, as far as the exchange needs it. */
export interface ExchangeConnection extends CountedConnection {
  /** What runs on it now can be judged again and ended; null: nothing does. */
  readonly onFlight: (flight: Flight | null) => void;
}

/**
 * One request from its head to its record, whatever connection and protocol brought it. The stages are named here, in their order, and
 * nowhere else; each returns a value or throws a `ProxyError`. Never rejects.
 */
export async function exchange(client: ClientRequest, passage: Passage, connection: ExchangeConnection): Promise<void> {
  const { services } = connection;
  const record = openRecord(passage.entrance, client.protocol, services.runtime.current.generation, client.startedMs);
  const flight = new Flight(client, record);
  connection.onFlight(flight);
  try {
    const standing = requestStanding(client, passage, services, record);
    admit(connection, standing.sandbox.name);
    const received = receive(client, passage, record);
    const decision = decideRequest(received, standing, flight);
    const found = resolveRoute(received, standing, decision, services);
    const route = found instanceof Promise ? await flight.waitFor(found) : found;
    // From here on it is the flight's to close, whatever the next stages say.
    flight.carriedBy(route.pooled);
    flight.check();
    const outgoing = injectInto(received, decision, standing.sandbox.vault, flight);
    const response = await dispatch(outgoing, route, standing.snapshot, services, flight);
    const relaying = relay(response, outgoing, route, services, flight);
    if (relaying instanceof Promise) await relaying;
  } catch (thrown) {
    fail(flight, flight.causeOf(toProxyError(thrown, 'relay')));
  } finally {
    connection.onFlight(null);
    services.observer.concluded(record);
  }
}

/** The client is told, or, where its answer has begun, sees that it is not complete. */
function fail(flight: Flight, error: ProxyError): void {
  const { client, record } = flight;
  flight.upstream?.wire.destroy();
  noteFailure(record, error);
  if (client.headSent) client.cutOff();
  else if (!client.gone) reply(client, record, error);
}
