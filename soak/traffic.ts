import { setTimeout as delay } from 'node:timers/promises';
import { Attempt } from './client/attempt.ts';
import { disturbances } from './disturbances/all.ts';
import type { Kind } from './kinds/kind.ts';
import { Random } from './random.ts';
import type { Tally } from './tally.ts';
import type { World } from './world/world.ts';

/** So many clients at once; each rests for a moment between two attempts, so that a proxy on one core is busy and not drowned. */
const CLIENTS = 32;
const REST_MAX_MS = 20;
const DISTURBANCE_REST_MAX_MS = 700;

export interface TrafficOptions {
  readonly kinds: readonly Kind[];
  readonly seed: number;
  readonly seconds: number;
  readonly calm: boolean;
}

/** Traffic and disturbances for so many seconds. Resolves when the last attempt is over. */
export async function traffic(world: World, options: TrafficOptions, tally: Tally): Promise<void> {
  const untilMs = performance.now() + options.seconds * 1000;
  const busy = new Set<Kind>();
  const client = async (number: number): Promise<void> => {
    const random = new Random(options.seed * 1000 + number);
    while (performance.now() < untilMs) {
      const kind = random.weighted(options.kinds.filter((one) => !busy.has(one)));
      if (kind !== undefined) await once(kind, new Attempt(world, random), { busy, tally });
      await delay(random.between(0, REST_MAX_MS));
    }
  };
  const clients = Array.from({ length: CLIENTS }, (_, number) => client(number));
  await Promise.all([...clients, options.calm ? undefined : disturb(world, options.seed, untilMs, tally)]);
}

interface Site {
  readonly busy: Set<Kind>;
  readonly tally: Tally;
}

async function once(kind: Kind, attempt: Attempt, { busy, tally }: Site): Promise<void> {
  if (kind.alone) busy.add(kind);
  try {
    await kind.run(attempt);
    if (attempt.late) throw new Error('took longer than anything may');
    tally.wentWell(kind.name);
  } catch (error) {
    const name = `${kind.name}${attempt.late ? ' (late)' : ''}, after ${attempt.last}`;
    tally.failed(name, error, performance.now() / 1000);
  } finally {
    attempt.end();
    busy.delete(kind);
  }
}

/** One after another: a rotation must not fall into the time of a file that does not load. */
async function disturb(world: World, seed: number, untilMs: number, tally: Tally): Promise<void> {
  const random = new Random(seed * 1000 + 999);
  while (performance.now() < untilMs) {
    const disturbance = random.weighted(disturbances);
    if (disturbance === undefined) return;
    try {
      await disturbance.run(world, random);
      tally.wentWell(disturbance.name);
    } catch (error) {
      tally.failed(disturbance.name, error, performance.now() / 1000);
    }
    await delay(random.between(50, DISTURBANCE_REST_MAX_MS));
  }
}
