import type { Wire, WireOwner } from '../wire/wire.ts';

/**
 * Looks at the first bytes of a tunnel without taking them. `look` is asked after every read, with all bytes so far, until it answers
 * something else than null. Resolves to null if the client ended, left or was silent for too long.
 */
export function firstBytes<Seen>(
  wire: Wire,
  limitMs: number,
  look: (bytes: Buffer) => Seen | null,
): Promise<Seen | null> {
  return new Promise((resolve) => {
    const done = (seen: Seen | null): void => {
      wire.give(null);
      wire.expireNever();
      resolve(seen);
    };
    const owner: WireOwner = {
      onReadable: () => {
        const seen = wire.inbox.length === 0 ? null : look(wire.inbox.peek());
        if (seen !== null || wire.ended) done(seen);
      },
      onGone: () => done(null),
      onDeadline: () => done(null),
    };
    wire.give(owner);
    wire.expireIn(limitMs);
    if (wire.gone) done(null);
    else wire.wake();
  });
}

/** RFC 8446 section 5.1: the first byte of a record of the handshake, with which TLS begins. */
export const TLS_HANDSHAKE = 0x16;

/** RFC 9110 section 5.6.2: a method begins with a token character; nothing else that is spoken first looks like HTTP. */
export const beginsMethod = (bytes: Buffer): boolean =>
  /^[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(bytes.toString('latin1', 0, 1));
