import { setTimeout as delay } from 'node:timers/promises';
import { type Instance, launch } from '../harness/instance.ts';
import { holdConnections } from '../harness/load.ts';
import type { Memory } from '../harness/procfs.ts';
import type { World } from '../harness/world.ts';
import type { Options } from '../options.ts';
import type { Peer } from '../peers/peer.ts';

export interface MemoryMeasurement {
  readonly peer: string;
  /** Some seconds after the first injected 200, with nothing to do since. */
  readonly idle: Memory;
  /** Bytes of Pss that one more idle connection costs, TLS and upstream included. */
  readonly perConnection: number;
  /** Held connections that were closed on us. */
  readonly lost: number;
}

const first = 250;
const more = 1000;

/**
 * A fresh instance: what it holds after one request, then what another thousand connections add to two hundred and fifty, each of which
 * has made one request. The first batch pays for what grows once: code, pools, heap.
 */
export async function measureMemory(world: World, peer: Peer, options: Options): Promise<MemoryMeasurement> {
  const instance = await launch(world, peer);
  try {
    await delay(options.idleMs);
    const idle = instance.memory();
    const outer = await hold(world, instance, first, async () => {
      const before = await settled(instance, options);
      const inner = await hold(world, instance, more, () => settled(instance, options));
      return { bytes: inner.found.pss - before.pss, lost: inner.lost };
    });
    return { peer: peer.name, idle, perConnection: outer.found.bytes / more, lost: outer.lost + outer.found.lost };
  } finally {
    await instance.stop();
  }
}

function hold<Found>(world: World, instance: Instance, connections: number, meanwhile: () => Promise<Found>) {
  const options = { ...instance.load(), url: instance.url(1024), connections, seconds: 40 };
  return holdConnections(world.cores.load, options, meanwhile);
}

async function settled(instance: Instance, options: Options): Promise<Memory> {
  await delay(options.settleMs);
  return instance.memory();
}
