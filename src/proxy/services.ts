import type { Ledger } from '../budget/ledger.ts';
import type { Observer } from '../observe/record.ts';
import type { Quarantine } from '../runtime/quarantine.ts';
import type { Snapshot } from '../runtime/snapshot.ts';
import type { StatementSigner } from '../statement/signer.ts';
import type { Pool } from '../upstream/pool.ts';
import type { Lookups } from './lookups.ts';
import type { OpenSet } from './open-set.ts';

/** What the data path needs from the process around it. One object for all listeners. */
export interface Services {
  /** The generation in force; a request reads it once. */
  readonly runtime: { readonly current: Snapshot };
  readonly pool: Pool;
  /** What rules used of their limits. */
  readonly ledger: Ledger;
  readonly observer: Observer;
  /** Everything that is open, to be judged again at each swap and waited for at the end. */
  readonly open: OpenSet;
  /** Says who asks, to those whom a rule forwards to. */
  readonly signer: StatementSigner;
  /** Sandboxes that are denied everything. */
  readonly quarantine: Quarantine;
  /** What the DNS listeners have looked up. */
  readonly lookups: Lookups;
  /** As many client connections as there are descriptors for; `limits.connections` may ask for fewer. */
  readonly connectionsMax: number;
}
