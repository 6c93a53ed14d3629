import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Arguments, readArguments, USAGE } from './arguments.ts';
import { failureOf } from './failure.ts';
import { type Outcome, type RunOptions, runTarget } from './run.ts';
import { loadTarget, targetsIn } from './targets.ts';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Exit status: 0 nothing found, 1 something found, 2 wrong arguments. */
async function main(args: Arguments): Promise<number> {
  const known = targetsIn(args.folder ?? here('targets'));
  const names = args.targets.length === 0 ? [...known.keys()] : args.targets;
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0)
    throw new TypeError(`no target ${unknown.join(', ')}; there are ${[...known.keys()].join(', ')}`);
  if (args.input !== null) return tryOnce(names, known, args.input);
  const options: RunOptions = {
    ...args,
    corpusFolder: here('corpus'),
    findingsFolder: args.findings ?? here('findings'),
    print,
  };
  print(`seed ${args.seed}, ${names.length} targets, ${args.jobs} at a time, ${args.timeMs / 1_000} s each`);
  const outcomes = await inTurns(names, args.jobs, (name) => runTarget(name, known.get(name) ?? '', options));
  return summary(outcomes);
}

/** Runs the jobs, so many at a time; the outcomes come in the order of the names. */
async function inTurns(
  names: readonly string[],
  jobs: number,
  job: (name: string) => Promise<Outcome>,
): Promise<readonly Outcome[]> {
  const outcomes = new Map<string, Outcome>();
  const waiting = [...names];
  const one = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const outcome = await job(name);
      print(lineOf(outcome));
      outcomes.set(name, outcome);
    }
  };
  await Promise.all(Array.from({ length: jobs }, one));
  return [...outcomes.values()];
}

function lineOf({ name, progress, elapsedMs, findings }: Outcome): string {
  const perSecond = Math.round((1_000 * progress.inputs) / Math.max(1, elapsedMs));
  const numbers = [
    `${progress.inputs} inputs`,
    `${perSecond}/s`,
    `${progress.blocks} blocks`,
    `corpus ${progress.corpus}`,
    `${findings} findings`,
  ];
  return `${name.padEnd(20)} ${numbers.join(', ')}`;
}

function summary(outcomes: readonly Outcome[]): number {
  const inputs = outcomes.reduce((sum, { progress }) => sum + progress.inputs, 0);
  const findings = outcomes.reduce((sum, outcome) => sum + outcome.findings, 0);
  print(`${inputs} inputs in all, ${findings} findings`);
  return findings === 0 ? 0 : 1;
}

async function tryOnce(names: readonly string[], known: ReadonlyMap<string, string>, path: string): Promise<number> {
  const [name, ...more] = names;
  if (name === undefined || more.length > 0) throw new TypeError('--input wants one --target');
  const failure = failureOf(await loadTarget(known.get(name) ?? ''), readFileSync(path));
  print(failure === null ? `${name}: holds` : `${name}: ${failure.message}`);
  return failure === null ? 0 : 1;
}

try {
  process.exitCode = await main(readArguments(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  process.stderr.write(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
