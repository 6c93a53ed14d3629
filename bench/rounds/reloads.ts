import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Instance, launch } from '../harness/instance.ts';
import { runLoad, startLoad } from '../harness/load.ts';
import { median } from '../harness/statistics.ts';
import type { World } from '../harness/world.ts';
import type { Options } from '../options.ts';
import { otherRules, posternWith } from '../peers/postern.ts';
import { breakIn, loadOptions } from './loads.ts';

export interface ReloadsMeasurement {
  readonly wanted: number;
  readonly done: number;
  /** Milliseconds from the request for a reload to its answer, the median. */
  readonly reloadMs: number;
  readonly requests: number;
  readonly failed: number;
  readonly why: string;
  readonly p99Us: number;
  /** p99 with reloads ÷ p99 of the same load just before, without. */
  readonly p99Ratio: number;
}

const rules = 1000;

/** The small load while the policy of a thousand rules changes over and over: a rename, then a reload, as fast as they are answered. */
export async function measureReloads(world: World, options: Options): Promise<ReloadsMeasurement> {
  const instance = await launch(world, posternWith({ rules }));
  try {
    await breakIn(world, instance, options);
    const quiet = await runLoad(world.cores.load, {
      ...loadOptions(instance, options),
      seconds: options.seconds * 2,
    });
    const load = startLoad(world.cores.load, {
      ...loadOptions(instance, options),
      seconds: options.reloadSeconds + 60,
    });
    const { timesMs, error } = await reloadOften(instance, options).finally(() => load.stop());
    const busy = await load.result;
    return {
      wanted: options.reloads,
      done: timesMs.length,
      reloadMs: median(timesMs),
      requests: busy.ok,
      failed: busy.errors + busy.otherStatus,
      why: error ?? busy.lastFailure,
      p99Us: busy.p99Us,
      p99Ratio: busy.p99Us / quiet.p99Us,
    };
  } finally {
    await instance.stop();
  }
}

/** Reloads until enough were done, the time is over or one failed. */
async function reloadOften(
  instance: Instance,
  options: Options,
): Promise<{ timesMs: number[]; error: string | undefined }> {
  const policies = join(instance.folder, 'policies');
  const [first, second] = [otherRules(0, rules, 'a'), otherRules(0, rules, 'b')];
  const deadlineMs = performance.now() + options.reloadSeconds * 1000;
  const timesMs: number[] = [];
  while (timesMs.length < options.reloads && performance.now() < deadlineMs) {
    // Written elsewhere and renamed, so that no half of it is ever in the folder.
    const draft = join(instance.folder, 'draft.yaml');
    writeFileSync(draft, timesMs.length % 2 === 0 ? second : first);
    renameSync(draft, join(policies, '00000000.yaml'));
    const startedMs = performance.now();
    const response = await fetch(`http://127.0.0.1:${instance.adminPort}/v1/reload`, { method: 'POST' });
    const answer = await response.text();
    if (!response.ok) return { timesMs, error: `reload: ${response.status} ${answer.slice(0, 200)}` };
    timesMs.push(performance.now() - startedMs);
  }
  return { timesMs, error: undefined };
}
