import { ProxyError } from '../errors.ts';
import type { Services } from './services.ts';

/** A connection as far as counting it for its sandbox goes. */
export interface CountedConnection {
  readonly services: Services;
  /** Null until the connection was counted for a sandbox. */
  readonly sandbox: string | null;
  belongTo(sandbox: string): void;
}

/**
 * Lets one request or tunnel of a sandbox in: audit lines can be written if they must be, the sandbox is not in quarantine, and its
 * connection, like each of its streams, is one of the `connections_per_sandbox`. Throws `OVERLOADED`, `QUARANTINED`.
 */
export function admit(connection: CountedConnection, sandbox: string): void {
  const { observer, quarantine } = connection.services;
  if (!observer.accepting) throw overloaded('audit lines cannot be written');
  if (quarantine.has(sandbox)) throw quarantined();
  countFor(connection, sandbox);
  checkStreams(connection, sandbox);
}

/** A connection of HTTP/2 has as many requests as 100 others, and without this nothing would bound what all that do not move hold in memory. */
function checkStreams({ services: { open, runtime } }: CountedConnection, sandbox: string): void {
  const { connections, connectionsPerSandbox } = runtime.current.settings.limits;
  const { streams } = open;
  if (streams.of(sandbox) > connectionsPerSandbox) throw overloaded('the sandbox has too many requests of HTTP/2 open');
  if (streams.total > connections) throw overloaded('there are too many requests of HTTP/2 open');
}

/** Makes the connection one of its sandbox, when that is first known. Throws `OVERLOADED`. */
export function countFor(connection: CountedConnection, sandbox: string): void {
  const { open, runtime } = connection.services;
  if (connection.sandbox !== null) return;
  const { connectionsPerSandbox } = runtime.current.settings.limits;
  if (open.connections.of(sandbox) >= connectionsPerSandbox) throw overloaded('the sandbox has too many connections');
  connection.belongTo(sandbox);
}

export const quarantined = (): ProxyError => new ProxyError('QUARANTINED', { stage: 'identify', side: 'client' });

const overloaded = (reason: string): ProxyError =>
  new ProxyError('OVERLOADED', { stage: 'identify', side: 'proxy', reason });
