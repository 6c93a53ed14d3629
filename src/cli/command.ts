/** Where a command reads and writes: the process's own streams, or a test's. */
export interface CommandIo {
  out(text: string): void;
  err(text: string): void;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** One command of `postern`. `run` resolves with the exit status: 0 fine, 1 refused or invalid, 2 usage. */
export interface Command {
  readonly help: string;
  run(args: readonly string[], io: CommandIo): Promise<number>;
}
