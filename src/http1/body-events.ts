import type { FieldList } from '../headers/field-list.ts';
import type { Inbox } from './inbox.ts';
import type { Refused } from './syntax.ts';

/** `more`: nothing to give until more bytes arrive. `end`: the body is complete. */
export type BodyEvent = Buffer | 'more' | BodyEnd | Refused;

export interface BodyEnd {
  readonly kind: 'end';
  readonly trailers: FieldList;
}

/** Takes the bytes of one body from the front of an inbox, as slices, and nothing after its end. */
export interface BodyReader {
  read(inbox: Inbox): BodyEvent;
  /** Whether the body is complete if the connection ends now. */
  readonly endsWithConnection: boolean;
}
