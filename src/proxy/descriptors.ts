import { readFileSync } from 'node:fs';

/** Descriptors that are not connections: listeners, files that are watched, read or written, pipes, the loading thread. */
const RESERVED = 64;
/** A request in flight has a client's and an upstream connection. */
const PER_CONNECTION = 2;

/** How many client connections the descriptor limit leaves room for; Infinity where the limit cannot be read. */
export function connectionsWithinDescriptors(limitsFile = '/proc/self/limits'): number {
  const limit = descriptorLimit(limitsFile);
  return limit === null ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor((limit - RESERVED) / PER_CONNECTION));
}

/** The soft limit, which Node has raised to the hard one when it started; null for none, or where there is no /proc. */
function descriptorLimit(file: string): number | null {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync(file, 'latin1'));
    return limit === null ? null : Number(limit[1]);
  } catch {
    return null;
  }
}
