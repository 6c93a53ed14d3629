import { setTimeout as delay } from 'node:timers/promises';
import { type Instance, launch } from '../harness/instance.ts';
import { runLoad } from '../harness/load.ts';
import type { World } from '../harness/world.ts';
import type { Options } from '../options.ts';
import { postern } from '../peers/postern.ts';

export interface ClosedMeasurement {
  readonly early: number;
  readonly late: number;
  /** Resident bytes after `early` and after `late` connections have come and gone. */
  readonly rssEarly: number;
  readonly rssLate: number;
  readonly failed: number;
}

const early = 1000;

/** What connections leave behind: memory after a thousand that were opened, used once and closed, and after many more. */
export async function measureClosed(world: World, options: Options): Promise<ClosedMeasurement> {
  const instance = await launch(world, postern);
  try {
    const failedEarly = await openAndClose(world, instance, early);
    const rssEarly = await settledRss(instance);
    const failedLate = await openAndClose(world, instance, options.closedConnections - early);
    const rssLate = await settledRss(instance);
    return { early, late: options.closedConnections, rssEarly, rssLate, failed: failedEarly + failedLate };
  } finally {
    await instance.stop();
  }
}

/** Returns how many did not end with a 200. */
async function openAndClose(world: World, instance: Instance, tickets: number): Promise<number> {
  const options = { ...instance.load(), url: world.url(1024), connections: 32, tickets, seconds: 180 };
  const { ok } = await runLoad(world.cores.load, options);
  return tickets - ok;
}

async function settledRss(instance: Instance): Promise<number> {
  await delay(2000);
  return instance.memory().rss;
}
