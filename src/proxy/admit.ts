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
 * Lets one request or tunnel of a sandbox in: audit lines can be written if they must be, and its connection is one of the
 * `connections_per_sandbox`, which it becomes when its sandbox is first known. Throws `OVERLOADED`.
 */
export function admit(connection: CountedConnection, sandbox: string): void {
  const { observer, open, runtime } = connection.services;
  if (!observer.accepting) throw overloaded('audit lines cannot be written');
  if (connection.sandbox !== null) return;
  const { connectionsPerSandbox } = runtime.current.settings.limits;
  if (open.countOf(sandbox) >= connectionsPerSandbox) throw overloaded('the sandbox has too many connections');
  connection.belongTo(sandbox);
}

const overloaded = (reason: string): ProxyError =>
  new ProxyError('OVERLOADED', { stage: 'identify', side: 'proxy', reason });
