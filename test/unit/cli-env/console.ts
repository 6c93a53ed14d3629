import type { CommandIo } from '../../../src/cli/command.ts';

export interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command in a folder and returns what it printed and its exit status. */
export async function ran(
  run: (args: readonly string[], io: CommandIo) => Promise<number>,
  cwd: string,
  ...args: readonly string[]
): Promise<Outcome> {
  const printed = { out: '', err: '' };
  const status = await run(args, {
    out: (text) => {
      printed.out += text;
    },
    err: (text) => {
      printed.err += text;
    },
    cwd,
    env: {},
  });
  return { status, ...printed };
}
