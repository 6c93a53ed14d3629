import { instanceFolder, launch } from '../harness/instance.ts';
import { runLoad } from '../harness/load.ts';
import { median } from '../harness/statistics.ts';
import type { World } from '../harness/world.ts';
import type { Options } from '../options.ts';
import { posternWith } from '../peers/postern.ts';
import { breakIn, loadOptions } from './loads.ts';
import { cpuMicroseconds } from './measurements.ts';

export interface RulesMeasurement {
  readonly rules: number;
  /** From exec to the first injected 200. */
  readonly startMs: number;
  readonly rss: number;
  readonly cpuUs: number;
  /** CPU a request ÷ that with ten rules, the median of ratios within one repeat. */
  readonly ratio: number;
}

const few = 10;
const startWithinMs = 120_000;

/** The small load on Postern with ten rules and with many, in turn. */
export async function measureRules(world: World, options: Options): Promise<readonly RulesMeasurement[]> {
  const found: RulesMeasurement[] = [];
  for (const many of options.manyRules) found.push(await compare(world, options, many));
  return found;
}

async function compare(world: World, options: Options, many: number): Promise<RulesMeasurement> {
  const start = (rules: number) => {
    const folder = instanceFolder(world, `rules-${rules}`);
    return launch(world, posternWith({ rules }), { folder, withinMs: startWithinMs });
  };
  const base = await start(few);
  const large = await start(many).catch(async (error: unknown) => {
    await base.stop();
    throw error;
  });
  try {
    const rss = large.memory().rss;
    for (const instance of [base, large]) await breakIn(world, instance, options);
    const pairs: { few: number; many: number }[] = [];
    for (let repeat = 0; repeat < options.repeats + 2; repeat++) {
      const ofFew = await runLoad(world.cores.load, loadOptions(base, options));
      const ofMany = await runLoad(world.cores.load, loadOptions(large, options));
      pairs.push({ few: cpuMicroseconds(ofFew), many: cpuMicroseconds(ofMany) });
    }
    const ratio = median(pairs.map((pair) => pair.many / pair.few));
    return { rules: many, startMs: large.startMs, rss, cpuUs: median(pairs.map((pair) => pair.many)), ratio };
  } finally {
    await Promise.all([base.stop(), large.stop()]);
  }
}
