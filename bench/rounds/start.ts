import { instanceFolder, launch } from '../harness/instance.ts';
import { median } from '../harness/statistics.ts';
import type { World } from '../harness/world.ts';
import type { Options } from '../options.ts';
import type { Peer } from '../peers/peer.ts';

export interface StartMeasurement {
  readonly peer: string;
  /** Milliseconds from exec to the first injected 200, the median of several starts after one that does not count. */
  readonly startMs: number;
  /** Whether it refused an origin whose certificate its authority did not sign. */
  readonly verifies: boolean;
}

/** Starts a peer several times in one folder, so that files are in memory and certificates made, then once before a stranger's origin. */
export async function measureStart(world: World, peer: Peer, options: Options): Promise<StartMeasurement> {
  const folder = instanceFolder(world, peer.name);
  const startsMs: number[] = [];
  for (let start = 0; start <= options.starts; start++) {
    const instance = await launch(world, peer, { folder });
    await instance.stop();
    if (start > 0) startsMs.push(instance.startMs);
  }
  return { peer: peer.name, startMs: median(startsMs), verifies: await refusesStranger(world, peer, median(startsMs)) };
}

async function refusesStranger(world: World, peer: Peer, startMs: number): Promise<boolean> {
  // It gets three times the time it needs for a good origin.
  const withinMs = startMs * 3 + 500;
  const instance = await launch(world, peer, { originPort: world.stranger.port, withinMs }).catch(() => undefined);
  await instance?.stop();
  return instance === undefined;
}
