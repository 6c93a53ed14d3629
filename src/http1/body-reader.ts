import type { BodyEnd, BodyEvent, BodyReader } from './body-events.ts';
import { ChunkedReader } from './chunked.ts';
import type { Framing } from './framing.ts';
import type { HeadLimits } from './head.ts';
import type { Inbox } from './inbox.ts';

const END: BodyEnd = { kind: 'end', trailers: [] };

export function bodyReader(framing: Framing, limits: HeadLimits): BodyReader {
  switch (framing.kind) {
    case 'none':
      return { read: () => END, endsWithConnection: false };
    case 'length':
      return new LengthReader(framing.bytes);
    case 'chunked':
      return new ChunkedReader(limits);
    case 'close':
      return { read: (inbox) => (inbox.length === 0 ? 'more' : inbox.take(inbox.length)), endsWithConnection: true };
  }
}

class LengthReader implements BodyReader {
  readonly endsWithConnection = false;
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  read(inbox: Inbox): BodyEvent {
    if (this.#left === 0) return END;
    if (inbox.length === 0) return 'more';
    const bytes = inbox.take(this.#left);
    this.#left -= bytes.length;
    return bytes;
  }
}
