import { constants } from 'node:os';

/** How a command ended, or why it never began. */
export type Outcome =
  | { readonly kind: 'status'; readonly status: number }
  | { readonly kind: 'signal'; readonly signal: NodeJS.Signals }
  | { readonly kind: 'refused'; readonly why: string };

/** POSIX shell, 2.8.2: not found, and found but not executable. `env` and `sudo` say the same. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

export const notStarted = (code: string): number => (code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE);

/** By these we end as the command did, so that a shell sees what it would have seen. Others could leave a core with secrets in it. */
const REPEATED: readonly NodeJS.Signals[] = ['SIGHUP', 'SIGINT', 'SIGTERM'];

/** Ends this process as the command ended; call it when nothing is left to clean up and no signal is handled any more. */
export function endAs(outcome: Exclude<Outcome, { kind: 'refused' }>): never {
  if (outcome.kind === 'status') process.exit(outcome.status);
  if (REPEATED.includes(outcome.signal)) process.kill(process.pid, outcome.signal);
  process.exit(128 + constants.signals[outcome.signal]);
}
