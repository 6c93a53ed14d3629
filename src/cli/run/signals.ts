import { readFileSync } from 'node:fs';

/** Not SIGUSR1: with --disable-sigusr1 Node swallows it. */
const RELAYED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const satisfies NodeJS.Signals[];

/** These a terminal sends to all of its foreground group, so the command gets them without us; twice would end what asks once. */
const OF_TERMINAL: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];

/**
 * Passes our signals on to the command. From the first moment on: one that comes before the command is started is kept, and must end us
 * by way of the clean-up.
 */
export class SignalRelay {
  #target: ((signal: NodeJS.Signals) => void) | null = null;
  #early: NodeJS.Signals | null = null;
  readonly #handlers = RELAYED.map((signal) => [signal, () => this.#take(signal)] as const);

  constructor() {
    for (const [signal, handler] of this.#handlers) process.on(signal, handler);
  }

  /** What came while nobody was there to take it. */
  get early(): NodeJS.Signals | null {
    return this.#early;
  }

  relayTo(target: (signal: NodeJS.Signals) => void): void {
    this.#target = target;
  }

  /** Gives the signals back what they do by default. */
  close(): void {
    for (const [signal, handler] of this.#handlers) process.off(signal, handler);
  }

  #take(signal: NodeJS.Signals): void {
    if (this.#target === null) this.#early ??= signal;
    else if (!(OF_TERMINAL.includes(signal) && isInForeground())) this.#target(signal);
  }
}

/** Whether a terminal's keys reach us: field 8 of proc_pid_stat(5), the foreground group of our terminal, is our group, field 5. */
function isInForeground(): boolean {
  try {
    const stat = readFileSync('/proc/self/stat', 'latin1');
    // The name, field 2, is in parentheses and may hold spaces and parentheses of its own.
    const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return group === foreground;
  } catch {
    return process.stdin.isTTY;
  }
}
