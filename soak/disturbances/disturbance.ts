import type { Random } from '../random.ts';
import type { World } from '../world/world.ts';

/** Something that an operator, or a mistake, does to the running proxy. It leaves everything as it was, or better. */
export interface Disturbance {
  readonly name: string;
  readonly weight: number;
  /** Rejects where the proxy did not take it as it should. */
  run(world: World, random: Random): Promise<void>;
}
