import type { Code } from '../../src/errors.ts';
import type { Attempt } from '../client/attempt.ts';

/** One kind of traffic, with its own oracle of what must come back. */
export interface Kind {
  readonly name: string;
  /** How often it is chosen, against the others. */
  readonly weight: number;
  /** The codes that its audit lines may have. */
  readonly codes: readonly Code[];
  /** It changes something that its next run relies on: one at a time. */
  readonly alone?: true;
  /** Rejects where something else came back. Everything that it opened is closed after it. */
  run(attempt: Attempt): Promise<void>;
}
