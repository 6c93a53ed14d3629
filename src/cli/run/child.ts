import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { errorCode } from '../../errors.ts';
import { notStarted, type Outcome } from './outcome.ts';
import type { SignalRelay } from './signals.ts';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Runs the command as ours: same terminal, same group, so that the shell's job control has both. Resolves when it ended; says on stderr why
 * it could not begin.
 */
export function runChild({ program, args }: Command, env: Environment, relay: SignalRelay): Promise<Outcome> {
  const child = tryToSpawn(program, args, { stdio: 'inherit', env });
  if ('failed' in child) return Promise.resolve(cannotStart(program, child.failed));
  relay.relayTo((signal) => child.kill(signal));
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(cannotStart(program, errorCode(error))));
    child.once('exit', (status, signal) => resolve(outcomeOf(status, signal)));
  });
}

/** `spawn` tells some failures by an event and throws others (E2BIG, ENOEXEC). */
function tryToSpawn(
  program: string,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess | { readonly failed: string } {
  try {
    return spawn(program, args, options);
  } catch (error) {
    return { failed: errorCode(error) };
  }
}

export const outcomeOf = (status: number | null, signal: NodeJS.Signals | null): Outcome =>
  signal === null ? { kind: 'status', status: status ?? 1 } : { kind: 'signal', signal };

function cannotStart(program: string, code: string): Outcome {
  const why = code === 'ENOENT' ? 'there is no such command' : `cannot be started (${code})`;
  process.stderr.write(`postern run: ${program}: ${why}\n`);
  return { kind: 'status', status: notStarted(code) };
}
