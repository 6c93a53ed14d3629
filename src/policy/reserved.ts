/** What a sandbox asks for itself is asked of this name, through the proxy alone (contract section 7). */
export const OWN_NAME = 'postern.internal';
const OWN_PORT = 80;

/**
 * Whether a canonical host is the proxy's own name, or below it. Such a name is never looked up and never dialled, whatever a policy or
 * DNS says: whoever answered for it would speak as the proxy.
 */
export const isReserved = (host: string): boolean =>
  host.endsWith(OWN_NAME) && (host.length === OWN_NAME.length || host.at(-OWN_NAME.length - 1) === '.');

/** Whether pages of ours are at this place. There are none over TLS: who has not got our CA yet could not ask for it. */
export const isOwnPlace = (host: string, port: number): boolean => host === OWN_NAME && port === OWN_PORT;
