import type { LogLevel } from '../runtime/settings.ts';
import { text, timestamp } from './audit-line.ts';
import type { LineSink } from './line-sink.ts';

/**
 * Everything an operational line may carry besides its message. A closed list, so that no request field, body or secret can be
 * logged by handing over an object that happens to hold one (contract promise 1).
 */
export interface LogFields {
  readonly sandbox?: string;
  readonly rule?: string;
  readonly secret?: string;
  readonly listener?: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  /** `rules[2].hosts[0]`. */
  readonly key?: string;
  /** A code of the system, of Node or of the catalogue. */
  readonly code?: string;
  readonly reason?: string;
  readonly id?: string;
  readonly generation?: number;
  readonly hash?: string;
  readonly outcome?: string;
  readonly duration_ms?: number;
  readonly count?: number;
  readonly allowed?: readonly string[];
  readonly denied?: readonly string[];
  readonly changed?: readonly string[];
  /** Where a bug was thrown, without its message, which could quote a peer. */
  readonly stack?: string;
}

const NUMBER_BY_LEVEL = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 } as const satisfies Record<
  LogLevel,
  number
>;

/** The names that may be printed; the compiler holds it complete. */
const FIELDS = Object.keys({
  sandbox: 0,
  rule: 0,
  secret: 0,
  listener: 0,
  file: 0,
  line: 0,
  column: 0,
  key: 0,
  code: 0,
  reason: 0,
  id: 0,
  generation: 0,
  hash: 0,
  outcome: 0,
  duration_ms: 0,
  count: 0,
  allowed: 0,
  denied: 0,
  changed: 0,
  stack: 0,
} satisfies Record<keyof LogFields, 0>) as (keyof LogFields)[]; // Object.keys loses the literal type

/** The operational log: one JSON line in pino's shape (`level`, `time`, fields, `msg`). */
export class Log {
  readonly #sink: LineSink;
  #threshold: number;
  /** A person is being told the same in words. */
  silent = false;

  constructor(sink: LineSink, level: LogLevel) {
    this.#sink = sink;
    this.#threshold = NUMBER_BY_LEVEL[level];
  }

  setLevel(level: LogLevel): void {
    this.#threshold = NUMBER_BY_LEVEL[level];
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#write('debug', message, fields);
  }

  info(message: string, fields: LogFields = {}): void {
    this.#write('info', message, fields);
  }

  warn(message: string, fields: LogFields = {}): void {
    this.#write('warn', message, fields);
  }

  error(message: string, fields: LogFields = {}): void {
    this.#write('error', message, fields);
  }

  fatal(message: string, fields: LogFields = {}): void {
    this.#write('fatal', message, fields);
  }

  #write(level: LogLevel, message: string, fields: LogFields): void {
    if (this.silent || NUMBER_BY_LEVEL[level] < this.#threshold) return;
    let line = `{"level":${NUMBER_BY_LEVEL[level]},"time":"${timestamp(Date.now())}"`;
    for (const name of FIELDS) {
      const value = fields[name];
      if (value !== undefined) line += `,"${name}":${json(value)}`;
    }
    this.#sink.write(`${line},"msg":${text(message)}}\n`);
  }
}

function json(value: string | number | readonly string[]): string {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null';
  return typeof value === 'string' ? text(value) : `[${value.map(text).join(',')}]`;
}

/** Where an error was thrown: its frames without the message, since a message may quote what a peer or an upstream sent. */
export function stackOf(error: unknown): string {
  if (!(error instanceof Error) || error.stack === undefined) return 'not an Error';
  const frames = error.stack.split('\n').filter((line) => /^\s+at /.test(line));
  return [error.name, ...frames.map((line) => line.trim()).slice(0, 12)].join(' | ');
}
