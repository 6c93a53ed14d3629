import type { Framing } from '../http1/framing.ts';
import type { ResponseHead } from '../http1/response-head.ts';
import type { BodySource } from '../wire/body.ts';

/** Interim answers (1xx) before the final one. More is a flood. */
export const INTERIM_MAX = 32;

/** A final answer, or 101. `body` is null where the head says that none follows. */
export interface UpstreamResponse {
  readonly head: ResponseHead;
  readonly framing: Framing;
  readonly body: BodySource | null;
}

/** What whoever waits for an answer knows of the request. */
export interface Awaiting {
  readonly method: string;
  /** Whether the whole request was sent. */
  readonly sent: { readonly done: boolean };
  /** Called for each interim answer but 101. */
  readonly onInterim: (head: ResponseHead) => void;
}
