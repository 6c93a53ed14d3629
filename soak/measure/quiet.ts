import { setTimeout as delay } from 'node:timers/promises';
import type { World } from '../world/world.ts';
import { type Sample, takeSample } from './sample.ts';

/** Longest that everything may take to end after the last client: a policy's thread lives two seconds, a body `limits.idle`. */
const QUIET_MAX_MS = 20_000;
const LOOK_MS = 250;
/** After the start the thread that read the policies is still there; by then it has gone, with its descriptors. */
const SETTLED_MS = 4_000;

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

/** Whether as much is held as in another quiet state, and no connection is open. */
export const isAsBefore = (sample: Sample, before: Sample): boolean =>
  EXACT.every((key) => sample[key] === before[key]) && isClosed(sample);

const isClosed = ({ clients, upstreams, tunnels }: Sample): boolean => clients + upstreams + tunnels === 0;

/**
 * Waits until nothing is open and, after the first time, until what is held is what was held then. Nothing is forced: where it does not
 * come to that within a bounded time, the sample says so.
 */
export async function untilQuiet(world: World, baseline: Sample | null): Promise<Sample> {
  const deadlineMs = performance.now() + QUIET_MAX_MS;
  let previous: Sample | null = null;
  if (baseline === null) await delay(SETTLED_MS);
  for (;;) {
    world.origins.closeIdle();
    const sample = await takeSample(world);
    const wanted: Sample | null = baseline ?? previous;
    if (wanted !== null && isAsBefore(sample, wanted)) return sample;
    if (performance.now() > deadlineMs) return sample;
    previous = sample;
    await delay(LOOK_MS);
  }
}
