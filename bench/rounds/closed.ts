import { setTimeout as delay } from 'node:timers/promises';
import { type Instance, launch } from '../harness/instance.ts';
import { runLoad } from '../harness/load.ts';
import type { World } from '../harness/world.ts';
import type { Options } from '../options.ts';
import { postern } from '../peers/postern.ts';

export interface ClosedMeasurement {
  /** How many connections had come and gone at the first reading and at the second. */
  readonly early: number;
  readonly late: number;
  /** Resident bytes then. */
  readonly rssEarly: number;
  readonly rssLate: number;
  readonly failed: number;
}

const early = 1000;

/** A quiet machine needs half of it. */
const longestSeconds = 180;

/** What connections leave behind: memory after a thousand that were opened, used once and closed, and after many more. */
export async function measureClosed(world: World, options: Options): Promise<ClosedMeasurement> {
  const instance = await launch(world, postern);
  try {
    const before = await openAndClose(world, instance, early);
    const rssEarly = await settledRss(instance);
    const after = await openAndClose(world, instance, options.closedConnections - early);
    const rssLate = await settledRss(instance);
    return {
      early: before.done,
      late: before.done + after.done,
      rssEarly,
      rssLate,
      failed: before.failed + after.failed,
    };
  } finally {
    await instance.stop();
  }
}

/** Returns how many were made before the time was over, and how many of those did not end with a 200. */
async function openAndClose(
  world: World,
  instance: Instance,
  tickets: number,
): Promise<{ done: number; failed: number }> {
  const options = { ...instance.load(), url: instance.url(1024), connections: 32, tickets, seconds: longestSeconds };
  const { ok, errors, otherStatus } = await runLoad(world.cores.load, options);
  return { done: ok + errors + otherStatus, failed: errors + otherStatus };
}

async function settledRss(instance: Instance): Promise<number> {
  await delay(2000);
  return instance.memory().rss;
}
