import { setTimeout as delay } from 'node:timers/promises';
import type { World } from '../world/world.ts';
import { type Sample, takeSample } from './sample.ts';

/** Longest that everything may take to end after the last client: a policy's thread lives two seconds, a body `limits.idle`. */
const QUIET_MAX_MS = 20_000;
const LOOK_MS = 250;

/** The figures that must be the same in every quiet state, whatever happened in between. */
export const EXACT = [
  'clients',
  'upstreams',
  'tunnels',
  'sockets',
  'files',
  'handles',
  'requests',
  'timers',
  'resources',
  'threads',
] as const;

/**
 * Waits until nothing is open and, after the first time, until what is held is what was held then. Nothing is forced: where it does not
 * come to that within a bounded time, the sample says so.
 */
export async function untilQuiet(world: World, baseline: Sample | null): Promise<Sample> {
  const deadlineMs = performance.now() + QUIET_MAX_MS;
  let previous: Sample | null = null;
  for (;;) {
    world.origins.closeIdle();
    const sample = await takeSample(world);
    const wanted: Sample | null = baseline ?? previous;
    const isClosed = sample.clients === 0 && sample.upstreams === 0 && sample.tunnels === 0;
    if (isClosed && wanted !== null && EXACT.every((key) => sample[key] === wanted[key])) return sample;
    if (performance.now() > deadlineMs) return sample;
    previous = sample;
    // The first quiet state is what the others are measured by: it must have come to rest itself.
    await delay(baseline === null ? LOOK_MS * 10 : LOOK_MS);
  }
}
