import { setInterval } from 'node:timers';
import { AuditCount } from './measure/audit.ts';
import type { LogJudge } from './measure/log.ts';
import { isAsBefore, untilQuiet } from './measure/quiet.ts';
import { cpuShare, type Sample, takeSample } from './measure/sample.ts';
import { socketsOf } from './measure/sockets.ts';
import type { Options } from './options.ts';
import { Tally } from './tally.ts';
import { traffic } from './traffic.ts';
import type { World } from './world/world.ts';

const SAMPLE_EVERY_MS = 5_000;

/** All that a run found. */
export interface Run {
  readonly tally: Tally;
  readonly audit: AuditCount;
  readonly log: LogJudge;
  /** One before the traffic, one after each cycle. */
  readonly quiet: Sample[];
  /** Taken under traffic. */
  readonly busy: Sample[];
  /** Shares of a core, of the same times. */
  readonly cpu: number[];
}

export function newRun(folder: string, log: LogJudge, options: Options): Run {
  const expected = new Set<string>(options.kinds.flatMap(({ codes }) => codes));
  return { tally: new Tally(), audit: new AuditCount(folder, expected), log, quiet: [], busy: [], cpu: [] };
}

/** Cycles of traffic and quiet until the time is over. Every quiet state is held against the one before all traffic. */
export async function runCycles(world: World, options: Options, run: Run, progress: (line: string) => void) {
  const untilMs = performance.now() + options.minutes * 60_000;
  run.quiet.push(await untilQuiet(world, null));
  for (let cycle = 1; performance.now() < untilMs; cycle++) {
    await loaded(world, options, run, cycle);
    const quiet = await untilQuiet(world, run.quiet[0] ?? null);
    run.quiet.push(quiet);
    if (!isAsBefore(quiet, run.quiet[0] ?? quiet)) {
      progress(`not as before; the sockets: ${socketsOf(world.program.pid).join('; ')}`);
      progress(`asked of the origin, and not answered: ${world.origins.busy().join(', ')}`);
    }
    run.audit.collect();
    progress(cycleLine(cycle, quiet, run));
  }
}

/** One cycle of traffic, looked at every five seconds. */
async function loaded(world: World, options: Options, run: Run, cycle: number): Promise<void> {
  const looking: Promise<void>[] = [];
  const timer = setInterval(() => looking.push(look(world, run)), SAMPLE_EVERY_MS);
  try {
    const seed = options.seed + cycle * 7919;
    await traffic(world, { ...options, seed, seconds: options.cycleSeconds }, run.tally);
  } finally {
    clearInterval(timer);
    await Promise.allSettled(looking);
  }
}

async function look(world: World, run: Run): Promise<void> {
  const sample = await takeSample(world);
  const before = run.busy.at(-1);
  if (before !== undefined && sample.seconds - before.seconds < 2 * (SAMPLE_EVERY_MS / 1000))
    run.cpu.push(cpuShare(before, sample));
  run.busy.push(sample);
}

function cycleLine(cycle: number, quiet: Sample, { tally, log }: Run): string {
  const mib = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MiB`;
  return [
    `cycle ${cycle}: ${tally.total} done, ${tally.failures.length} failed, ${log.unexplained.length} unexplained`,
    `RSS ${mib(quiet.rss)}, heap ${mib(quiet.heap)}, ${quiet.sockets}+${quiet.files} descriptors, ${quiet.handles} handles`,
    `${quiet.timers} timers, ${quiet.clients}+${quiet.upstreams} connections`,
  ].join('; ');
}
