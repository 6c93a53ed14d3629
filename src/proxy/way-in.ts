import type { Wire } from '../wire/wire.ts';
import type { TunnelConnection } from './opening.ts';
import type { Passage } from './passage.ts';

/** How clients come in by a listener where they do not speak to a proxy that they know of. */
export interface WayIn {
  readonly ingress: 'transparent' | 'dns';
  /** The port that clients meant; null where that is no question. */
  readonly meantPort: number | null;
  /** Serves one connection to its end. Rejects only for a bug. */
  readonly serve: (wire: Wire, passage: Passage, connection: TunnelConnection) => Promise<void>;
}
