import { launch } from '../harness/instance.ts';
import { type LoadResult, runLoad } from '../harness/load.ts';
import type { World } from '../harness/world.ts';
import type { Options } from '../options.ts';
import type { Peer } from '../peers/peer.ts';
import { breakIn, type Reporter } from './loads.ts';
import type { LoadMeasurements } from './measurements.ts';

/**
 * Connections to names that the peer has never seen, each its own: a leaf is made, an upstream connection opened. A fresh instance
 * every time, so that no cache knows a name that is measured.
 */
export async function runNewHosts(
  world: World,
  peers: readonly Peer[],
  options: Options,
  into: LoadMeasurements,
  { progress, problem }: Reporter,
): Promise<void> {
  for (let repeat = 0; repeat < Math.min(options.repeats, 2); repeat++) {
    progress(`new hosts ${repeat + 1}`);
    for (const peer of peers.filter(({ mints }) => mints)) {
      try {
        into.all.push({ load: 'hosts', peer: peer.name, repeat, result: await meetNewHosts(world, peer, options) });
      } catch (error) {
        problem(`${peer.name} new hosts: ${String(error)}`);
      }
    }
  }
}

/** Names used up before the measured ones, so that the code that meets a new name has run by then. */
const breakInHosts = 300;

async function meetNewHosts(world: World, peer: Peer, options: Options): Promise<LoadResult> {
  const instance = await launch(world, peer, { hosts: breakInHosts + options.newHosts });
  const meet = (firstHost: number, tickets: number, seconds: number) =>
    runLoad(world.cores.load, {
      ...instance.load(),
      url: instance.url(1024),
      connections: 32,
      tickets,
      firstHost,
      seconds,
    });
  try {
    await breakIn(world, instance, options);
    await meet(1, breakInHosts, 2);
    return await meet(breakInHosts + 1, options.newHosts, options.newHostsSeconds);
  } finally {
    await instance.stop();
  }
}
