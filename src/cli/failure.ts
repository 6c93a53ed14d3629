import { AuthorityError } from '../tls/authority.ts';
import type { CommandIo } from './command.ts';

/** Wrong arguments: shown with the help of the command, exit status 2. */
export class UsageError extends Error {}

/** What a command will not or cannot do, for people: what is wrong and what to do. Exit status 1. */
export class RefusedError extends Error {}

/** Prints what a command failed with and returns its exit status; anything but the expected is a bug and is thrown again. */
export function reportFailure(error: unknown, command: string, help: string, io: CommandIo): number {
  if (error instanceof UsageError) {
    io.err(`${command}: ${error.message}\n\n${help}`);
    return 2;
  }
  if (!(error instanceof RefusedError || error instanceof AuthorityError)) throw error;
  io.err(`${error.message}\n`);
  return 1;
}
