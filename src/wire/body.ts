import type { ProxyError } from '../errors.ts';
import type { FieldList } from '../headers/field-list.ts';

/** Where the bytes of a body go: an HTTP/1.1 connection, or another protocol's stream. */
export interface BodySink {
  /** False: the sink is full; wait for `whenDrained` before writing more. */
  write(bytes: Buffer): boolean;
  /** Calls back once, when there is room again. */
  whenDrained(resume: () => void): void;
  /** The body is complete. */
  end(trailers: FieldList): void;
}

/** How the transfer of one body ended; null if it is complete. */
export type BodyFailure = ProxyError | null;

/** Where the bytes of a body come from. */
export interface BodySource {
  /**
   * Moves the body to the sink until its end or its failure, and says so then: at once if all of it is here, else by a promise that never
   * rejects. Call it at most once. After a failure the sink has not been ended: whoever owns it must make the truncation visible to its reader.
   */
  moveTo(sink: BodySink, onBytes: (count: number) => void): BodyFailure | Promise<BodyFailure>;
}
