import type { Instance } from '../harness/instance.ts';
import { type LoadOptions, runLoad } from '../harness/load.ts';
import type { World } from '../harness/world.ts';
import type { Options } from '../options.ts';
import type { Peer } from '../peers/peer.ts';
import type { Results } from '../report/results.ts';
import type { LoadMeasurements, LoadName } from './measurements.ts';

/** One load, as every peer meets it. */
export interface Load {
  readonly name: LoadName;
  readonly bytes: number;
  readonly connections: number;
  readonly requestsPerConnection?: number;
  /** Requests beside one another on a connection, by HTTP/2. */
  readonly streams?: number;
}

const small: Load = { name: 'small', bytes: 1024, connections: 32 };
const connections: Load = { name: 'connections', bytes: 1024, connections: 32, requestsPerConnection: 1 };
/** Those of HTTP/1.1. */
export const h1Loads: readonly Load[] = [
  small,
  { name: 'medium', bytes: 64 * 1024, connections: 32 },
  { name: 'bulk', bytes: 16 * 1024 * 1024, connections: 4 },
  connections,
];

const h2Small: Load = { name: 'h2Small', bytes: 1024, connections: 8, streams: 20 };
/** Those of HTTP/2: many streams beside one another; bulk as by HTTP/1.1, since one stream has one window to wait for. */
export const h2Loads: readonly Load[] = [
  h2Small,
  { name: 'h2One', bytes: 1024, connections: 1, streams: 50 },
  { name: 'h2Medium', bytes: 64 * 1024, connections: 8, streams: 20 },
  { name: 'h2Bulk', bytes: 16 * 1024 * 1024, connections: 4, streams: 1 },
];

/** What a fresh instance is broken in with. */
export const h1BreakIn: readonly Load[] = [small, connections];
export const h2BreakIn: readonly Load[] = [h2Small];

/** The options of one of these loads on an instance, for a window of `options.seconds`; the small one where none is named. */
export function loadOptions(instance: Instance, options: Options, load = small): LoadOptions {
  return {
    ...instance.load(),
    url: instance.url(load.bytes),
    connections: load.connections,
    seconds: options.seconds,
    warmSeconds: options.warmSeconds,
    ...(load.requestsPerConnection === undefined ? {} : { requestsPerConnection: load.requestsPerConnection }),
    ...(load.streams === undefined ? {} : { streams: load.streams }),
  };
}

/** Loads a fresh instance for a while, with requests and connections unless told otherwise, and forgets the figures. */
export async function breakIn(world: World, instance: Instance, options: Options, loads = h1BreakIn): Promise<void> {
  const seconds = options.breakInSeconds / loads.length;
  for (const load of loads) await runLoad(world.cores.load, { ...loadOptions(instance, options, load), seconds });
}

/** What the rounds work on; `present` are the peers that are installed and have shown a real injected 200. */
export interface Run {
  readonly world: World;
  readonly options: Options;
  readonly present: readonly Peer[];
  readonly results: Results;
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
  { world, options, loads }: { readonly world: World; readonly options: Options; readonly loads: readonly Load[] },
  instances: readonly Instance[],
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
          const result = await runLoad(world.cores.load, loadOptions(instance, options, load));
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
