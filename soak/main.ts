import { setup as buildIfOld } from '../test/support/build.ts';
import { LogJudge } from './measure/log.ts';
import { readOptions, usage } from './options.ts';
import { reportText } from './report/text.ts';
import { faultsOf, rowsOf } from './report/verdicts.ts';
import { newRun, runCycles } from './run.ts';
import { openWorld } from './world/world.ts';

const progress = (line: string): void =>
  void process.stderr.write(`${String(Math.round(performance.now() / 1000)).padStart(5)} s  ${line}\n`);

/** Runs the whole command. Resolves with its exit status: 1 where anything was not as it must be. */
async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  buildIfOld();
  const log = new LogJudge();
  const world = await openWorld((line) => log.line(line));
  const run = newRun(world.folder, log, options);
  progress(`seed ${options.seed}, cycles of ${options.cycleSeconds} s, in ${world.folder}`);
  const broken = await runCycles(world, options, run, progress).then(
    () => [],
    (error: unknown) => [`the run broke off: ${String(error)}`],
  );
  const status = await world.close();
  run.audit.collect();
  const [rows, faults] = [rowsOf(run), [...broken, ...faultsOf(run, status)]];
  const isGood = faults.length === 0 && rows.every((row) => row.isGood);
  process.stdout.write(reportText(run, rows, faults));
  if (isGood) world.remove();
  else
    process.stdout.write(`npm run soak -- --seed ${options.seed} repeats the mix; its files are in ${world.folder}\n`);
  return isGood ? 0 : 1;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  process.exitCode = 2;
}
