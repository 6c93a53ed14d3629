import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';

export interface Arguments {
  /** Empty: all. */
  readonly targets: readonly string[];
  readonly timeMs: number;
  readonly inputsMax: number;
  readonly seed: number;
  /** Targets at one time. */
  readonly jobs: number;
  readonly keep: boolean;
  /** Try this file once and nothing else. */
  readonly input: string | null;
  readonly folder: string | null;
  readonly findings: string | null;
  readonly hangMs: number;
}

export const USAGE = `npm run fuzz -- [--minutes N | --seconds N] [--target NAME]… [--seed N] [--jobs N] [--inputs N] [--keep] [--input FILE]

  --minutes N, --seconds N   for each target; 60 seconds without
  --target NAME              only this one; may be given more than once
  --seed N                   the same changes of the same corpus; a new one each time without
  --inputs N                 stop a target after so many inputs
  --jobs N                   targets at one time; one for each core without
  --keep                     write what reaches something new to fuzz/corpus/NAME/, as few and short as possible
  --input FILE               try the bytes of this file once, on the target named
  --hang N                   seconds that one input may take; 10 without
  --folder DIR, --findings DIR   other places for targets and findings
`;

/** @throws TypeError with what is wrong. */
export function readArguments(args: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string' },
      seconds: { type: 'string' },
      target: { type: 'string', multiple: true },
      seed: { type: 'string' },
      inputs: { type: 'string' },
      jobs: { type: 'string' },
      keep: { type: 'boolean' },
      input: { type: 'string' },
      hang: { type: 'string' },
      folder: { type: 'string' },
      findings: { type: 'string' },
    },
  });
  const seconds = numberOf('seconds', values.seconds) ?? 60 * (numberOf('minutes', values.minutes) ?? 1);
  return {
    targets: values.target ?? [],
    timeMs: seconds * 1_000,
    inputsMax: numberOf('inputs', values.inputs) ?? Number.POSITIVE_INFINITY,
    seed: numberOf('seed', values.seed) ?? Math.floor(Math.random() * 2 ** 31),
    jobs: Math.max(1, numberOf('jobs', values.jobs) ?? availableParallelism()),
    keep: values.keep ?? false,
    input: values.input ?? null,
    folder: values.folder ?? null,
    findings: values.findings ?? null,
    hangMs: 1_000 * (numberOf('hang', values.hang) ?? 10),
  };
}

function numberOf(name: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^[0-9]+(?:\.[0-9]+)?$/.test(text)) throw new TypeError(`--${name} takes a number`);
  return Number(text);
}
