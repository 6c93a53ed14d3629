import type { Instance } from '../harness/instance.ts';
import { type LoadOptions, runLoad } from '../harness/load.ts';
import type { World } from '../harness/world.ts';
import type { Options } from '../options.ts';
import type { LoadMeasurements, LoadName } from './measurements.ts';

interface Load {
  readonly name: Exclude<LoadName, 'hosts'>;
  readonly bytes: number;
  readonly connections: number;
  readonly requestsPerConnection?: number;
}

const small: Load = { name: 'small', bytes: 1024, connections: 32 };
const connections: Load = { name: 'connections', bytes: 1024, connections: 32, requestsPerConnection: 1 };
const loads: readonly Load[] = [
  small,
  { name: 'medium', bytes: 64 * 1024, connections: 32 },
  { name: 'bulk', bytes: 16 * 1024 * 1024, connections: 4 },
  connections,
];

/** The options of one of these loads on an instance, for a window of `options.seconds`; the small one where none is named. */
export function loadOptions(world: World, instance: Instance, options: Options, load = small): LoadOptions {
  return {
    ...instance.load(),
    url: world.url(load.bytes),
    connections: load.connections,
    seconds: options.seconds,
    warmSeconds: options.warmSeconds,
    ...(load.requestsPerConnection === undefined ? {} : { requestsPerConnection: load.requestsPerConnection }),
  };
}

/** Loads a fresh instance for a while, requests and connections, and forgets the figures. */
export async function breakIn(world: World, instance: Instance, options: Options): Promise<void> {
  const seconds = options.breakInSeconds;
  await runLoad(world.cores.load, { ...loadOptions(world, instance, options, small), seconds: seconds * 0.7 });
  await runLoad(world.cores.load, { ...loadOptions(world, instance, options, connections), seconds: seconds * 0.3 });
}

/** Where rounds say how far they are and what went wrong. */
export interface Reporter {
  progress(line: string): void;
  problem(line: string): void;
}

/**
 * Every load on every peer, interleaved: one after the other within a repeat, each repeat beginning with another peer, so that what the
 * machine does meanwhile falls on all of them alike.
 */
export async function runLoads(
  world: World,
  instances: readonly Instance[],
  options: Options,
  into: LoadMeasurements,
  { progress, problem }: Reporter,
): Promise<void> {
  for (const load of loads) {
    for (let repeat = 0; repeat < options.repeats; repeat++) {
      progress(`${load.name} ${repeat + 1}/${options.repeats}`);
      for (const instance of rotated(instances, repeat)) {
        const { name } = instance.peer;
        // One that fails has no figure for this repeat; the others keep theirs.
        try {
          await instance.check();
          const result = await runLoad(world.cores.load, loadOptions(world, instance, options, load));
          into.all.push({ load: load.name, peer: name, repeat, result });
        } catch (error) {
          problem(`${name} ${load.name}: ${String(error)}`);
        }
      }
    }
  }
}

function rotated<Item>(items: readonly Item[], by: number): readonly Item[] {
  const at = items.length > 0 ? by % items.length : 0;
  return [...items.slice(at), ...items.slice(0, at)];
}
