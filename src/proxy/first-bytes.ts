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
