import type { Memory } from '../harness/procfs.ts';
import type { ClosedMeasurement } from '../rounds/closed.ts';
import type { InstancesMeasurement } from '../rounds/instances.ts';
import type { LoadMeasurements } from '../rounds/measurements.ts';
import type { MemoryMeasurement } from '../rounds/memory.ts';
import type { ReloadsMeasurement } from '../rounds/reloads.ts';
import type { RulesMeasurement } from '../rounds/rules.ts';
import type { StartMeasurement } from '../rounds/start.ts';

/** Everything one run found out. What was not measured is absent, never zero. */
export interface Results {
  readonly loads: LoadMeasurements;
  /** After the loads, by peer. */
  readonly loadedByPeer: Map<string, Memory>;
  /** The same after the loads by HTTP/2. */
  readonly h2LoadedByPeer: Map<string, Memory>;
  readonly startByPeer: Map<string, StartMeasurement>;
  readonly memoryByPeer: Map<string, MemoryMeasurement>;
  rules: readonly RulesMeasurement[];
  reloads: ReloadsMeasurement | undefined;
  closed: ClosedMeasurement | undefined;
  instances: InstancesMeasurement | undefined;
  /** What went wrong, in words; printed under the tables. */
  readonly problems: string[];
}
