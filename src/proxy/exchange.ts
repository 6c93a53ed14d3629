import { type ProxyError, toProxyError } from '../errors.ts';
import { Misuse } from '../inject/binding.ts';
import type { ExchangeRecord } from '../observe/record.ts';
import { isReserved } from '../policy/reserved.ts';
import { admit, type CountedConnection } from './admit.ts';
import type { ClientRequest } from './client-request.ts';
import { decideRequest } from './decide-request.ts';
import { dispatch } from './dispatch.ts';
import { Flight } from './flight.ts';
import { forwarded } from './forwarded.ts';
import { injectInto } from './inject-into.ts';
import { answerItself } from './introspect.ts';
import type { Passage } from './passage.ts';
import { prepareBody } from './prepare-body.ts';
import { receive } from './receive.ts';
import { noteFailure, openRecord } from './record.ts';
import { relay } from './relay.ts';
import { reply } from './reply.ts';
import { resolveRoute } from './resolve-route.ts';
import type { Services } from './services.ts';
import { requestStanding } from './standing.ts';
import { statementFor } from './statement.ts';
import { withinLimits } from './within-limits.ts';

/** The connection that a request came on, as far as the exchange needs it. */
export interface ExchangeConnection extends CountedConnection {
  /** This runs on it from now on, and can be judged again and ended. */
  began(flight: Flight): void;
  ended(flight: Flight): void;
}

/**
 * One request from its head to its record, whatever connection and protocol brought it. The stages are named here, in their order, and
 * nowhere else; each returns a value or throws a `ProxyError`. Never rejects.
 */
export async function exchange(client: ClientRequest, passage: Passage, connection: ExchangeConnection): Promise<void> {
  const { services } = connection;
  const record = openRecord(passage.entrance, client.protocol, services.runtime.current.generation, client.startedMs);
  const flight = new Flight(client, record);
  connection.began(flight);
  try {
    const standing = requestStanding(client, passage, services, record);
    admit(connection, standing.sandbox.name);
    const received = receive(client, passage, record);
    const decision = decideRequest(received, standing, flight);
    if (isReserved(received.target.host)) {
      answerItself(received, standing, passage.entrance, flight);
      return;
    }
    withinLimits(received, decision, standing.sandbox.name, services, flight);
    const preparing = prepareBody(received, decision, standing, flight);
    const body = preparing instanceof Promise ? await flight.waitFor(preparing) : preparing;
    const signing = statementFor(received, decision, services, flight);
    const statement = signing === null ? null : await flight.waitFor(signing);
    const found = resolveRoute(received, standing, decision, services);
    const route = found instanceof Promise ? await flight.waitFor(found) : found;
    // From here on it is the flight's to close, whatever the next stages say.
    flight.carriedBy(route.pooled);
    flight.check();
    const injected = injectInto(received, decision, body, standing.sandbox.vault, flight);
    const outgoing = statement === null ? injected : forwarded(injected, statement, standing.sandbox.name);
    const response = await dispatch(outgoing, route, standing.snapshot, services, flight);
    const relaying = relay(response, outgoing, route, services, flight);
    if (relaying instanceof Promise) await relaying;
  } catch (thrown) {
    const error = flight.causeOf(toProxyError(thrown, 'relay'));
    fail(flight, error);
    if (error instanceof Misuse && error.quarantines) putInQuarantine(record, services);
  } finally {
    connection.ended(flight);
    flight.end();
    services.observer.concluded(record);
  }
}

/** The client is told, or, where its answer has begun, sees that it is not complete. */
function fail(flight: Flight, error: ProxyError): void {
  const { client, record } = flight;
  flight.upstream?.abandon();
  noteFailure(record, error);
  if (client.headSent) client.cutOff(error);
  else if (!client.gone) reply(client, record, error);
}

/** SEMANTICS.md 7: from here on the sandbox is denied everything, and what it has open ends, until an operator lifts it. */
function putInQuarantine({ id, sandbox, host, rule }: ExchangeRecord, { quarantine }: Services): void {
  if (sandbox !== null) quarantine.put({ sandbox, since: new Date().toISOString(), id, host, rule });
}
