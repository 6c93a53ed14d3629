import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Progress } from './campaign.ts';
import { nameOf } from './corpus.ts';
import type { Failure } from './failure.ts';
import { Note } from './note.ts';
import type { Order, Report } from './thread.ts';

export interface RunOptions {
  readonly seed: number;
  readonly inputsMax: number;
  /** For each target. */
  readonly timeMs: number;
  /** How long one input may take. */
  readonly hangMs: number;
  readonly keep: boolean;
  readonly corpusFolder: string;
  readonly findingsFolder: string;
  readonly print: (line: string) => void;
}

/** How the run of one target ended. */
export interface Outcome {
  readonly name: string;
  readonly progress: Progress;
  readonly elapsedMs: number;
  readonly findings: number;
}

const LOOK_MS = 500;
const MEMORY_MIB_MAX = 2_048;
const NOTHING: Progress = { inputs: 0, blocks: 0, corpus: 0, failures: 0 };

/** Runs one target in a thread of its own, and watches it: an input that hangs or ends the thread is a finding too. */
export function runTarget(name: string, url: string, options: RunOptions): Promise<Outcome> {
  return new Run(name, options).start(url);
}

class Run {
  readonly #name: string;
  readonly #options: RunOptions;
  readonly #note = new Note();
  readonly #startedMs = performance.now();
  #progress = NOTHING;
  #findings = 0;
  /** Null until the thread has said its last word, or somebody has for it. */
  #elapsedMs: number | null = null;

  constructor(name: string, options: RunOptions) {
    this.#name = name;
    this.#options = options;
  }

  start(url: string): Promise<Outcome> {
    const { keep, seed, inputsMax, timeMs, hangMs } = this.#options;
    const corpusFolder = join(this.#options.corpusFolder, this.#name);
    const order: Order = { url, corpusFolder, keep, seed, inputsMax, timeMs, note: this.#note.memory };
    const worker = new Worker(new URL('thread.ts', import.meta.url), {
      workerData: order,
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MIB_MAX },
    });
    const watchdog = watch(this.#note, hangMs, () => {
      this.#ended(`no answer within ${hangMs} ms`);
      void worker.terminate();
    });
    worker.on('message', (report: Report) => this.#told(report));
    worker.on('error', (error) => this.#ended(`ended its thread: ${error instanceof Error ? error.stack : error}`));
    return new Promise((resolve) => {
      worker.on('exit', () => {
        clearInterval(watchdog);
        if (this.#elapsedMs === null) this.#ended('ended its thread without a word');
        const outcome = { name: this.#name, progress: this.#progress, findings: this.#findings };
        resolve({ ...outcome, elapsedMs: this.#elapsedMs ?? 0 });
      });
    });
  }

  #told(report: Report): void {
    if (report.kind === 'failure') {
      const { failure, inputs } = report;
      // Buffers arrive as plain bytes.
      this.#found({ ...failure, input: Buffer.from(failure.input) }, inputs);
      return;
    }
    this.#progress = report.progress;
    if (report.kind === 'done') this.#elapsedMs = report.elapsedMs;
  }

  /** The thread is not heard of again: what it tried last is the finding. */
  #ended(message: string): void {
    this.#elapsedMs ??= performance.now() - this.#startedMs;
    this.#found({ input: this.#note.input, message }, this.#note.count);
  }

  #found(failure: Pick<Failure, 'input' | 'message'>, inputs: number): void {
    this.#findings++;
    keepFinding(this.#name, failure, inputs, this.#options);
  }
}

/** Calls back if the same input is being tried for too long. What happens before the first input is loading. */
function watch(note: Note, hangMs: number, onHang: () => void): NodeJS.Timeout {
  let seen = note.count;
  let sinceMs = performance.now();
  const timer = setInterval(() => {
    const { count } = note;
    if (count !== seen || count === 0) {
      seen = count;
      sinceMs = performance.now();
    } else if (performance.now() - sinceMs > hangMs) {
      clearInterval(timer);
      onHang();
    }
  }, LOOK_MS);
  return timer;
}

function keepFinding(
  name: string,
  { input, message }: Pick<Failure, 'input' | 'message'>,
  inputs: number,
  options: RunOptions,
): void {
  const folder = join(options.findingsFolder, name);
  const path = join(folder, nameOf(input));
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, input);
  options.print(
    `${name}: FOUND after ${inputs} inputs (seed ${options.seed})\n  ${message.replaceAll('\n', '\n  ')}\n  input: ${JSON.stringify(input.toString('latin1'))}\n` +
      `  again: npm run fuzz -- --target ${name} --input ${path}`,
  );
}
