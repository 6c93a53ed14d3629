import { ProxyError } from '../errors.ts';
import { dial } from './dial.ts';
import type { Dialled, DialOptions } from './dialling.ts';
import type { Origin } from './origin.ts';
import type { Way } from './way.ts';

/** What a dial needs from the generation of the request. */
export type DialSettings = Omit<DialOptions, 'session' | 'onSession'>;

/** Dials an origin by a judged way, with the TLS session of the last time. Rejects like a dial. */
export async function dialOrigin(
  origin: Origin,
  way: Way,
  settings: DialSettings,
  alpn: readonly string[],
): Promise<Dialled> {
  const session = origin.session?.context === settings.context ? origin.session.bytes : null;
  const options = { ...settings, session, onSession: sessionKeeper(origin, settings.context) };
  const { scheme, host, port, shown } = origin;
  try {
    return await dial({ scheme, host, port, shown, way, alpn, hostMaySpeakFirst: false }, options);
  } catch (error) {
    // It may be what the origin could not bear: the next handshake is a whole one.
    if (error instanceof ProxyError && error.stage === 'dispatch' && error.code.startsWith('TLS_'))
      origin.session = null;
    throw error;
  }
}

/** A function of its own: what it can see stays as long as the connection, and the parent's credentials shall not. */
const sessionKeeper =
  (origin: Origin, context: object): DialOptions['onSession'] =>
  (ticket) => {
    // A copy of its own: Node's is 1 KB in a block of 64, which a host that is remembered would keep.
    const bytes = Buffer.allocUnsafeSlow(ticket.length);
    ticket.copy(bytes);
    origin.session = { bytes, context };
  };
