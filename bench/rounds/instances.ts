import { setTimeout as delay } from 'node:timers/promises';
import { type Instance, launch } from '../harness/instance.ts';
import { mean } from '../harness/statistics.ts';
import type { World } from '../harness/world.ts';
import { postern } from '../peers/postern.ts';

export interface InstancesMeasurement {
  readonly count: number;
  /** Bytes a process, shared pages split among those that map them. */
  readonly meanPss: number;
}

/** Several sidecars on one host, each after its first injected 200. */
export async function measureInstances(world: World, count: number): Promise<InstancesMeasurement> {
  const instances: Instance[] = [];
  try {
    for (let index = 0; index < count; index++) instances.push(await launch(world, postern));
    await delay(1000);
    return { count, meanPss: mean(instances.map((instance) => instance.memory().pss)) };
  } finally {
    await Promise.all(instances.map((instance) => instance.stop()));
  }
}
