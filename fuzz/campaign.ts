import { minimalCorpus } from './corpus.ts';
import type { Coverage } from './coverage.ts';
import { type Failure, failureOf, shrink } from './failure.ts';
import { mutate, type Shape } from './mutate.ts';
import { Random } from './random.ts';
import type { Target } from './target.ts';

export interface CampaignOptions {
  readonly target: Target;
  readonly corpus: readonly Buffer[];
  readonly coverage: Coverage;
  readonly seed: number;
  /** How many inputs at most. */
  readonly inputsMax: number;
  /** When to stop, on `performance.now()`. */
  readonly untilMs: number;
  /** Called before each input, so that somebody outside knows what hangs. */
  readonly onInput: (input: Buffer) => void;
  /** `inputs`: how many were tried until then, the same for the same seed and corpus. */
  readonly onFailure: (failure: Failure, inputs: number) => void;
  readonly onProgress: (progress: Progress) => void;
}

export interface Progress {
  readonly inputs: number;
  readonly blocks: number;
  readonly corpus: number;
  readonly failures: number;
}

/** Inputs between two looks at the coverage. Fixed, so that a run with a number of inputs can be repeated by its seed. */
const BATCH_INPUTS = 400;
const FAILURES_MAX = 8;
/** The clock is looked at after so many inputs: some targets take a millisecond for one. */
const CLOCK_INPUTS = 16;

/** The search on one target: change known inputs, keep what reaches something new. */
export class Campaign {
  readonly #options: CampaignOptions;
  readonly #random: Random;
  readonly #shape: Shape;
  readonly #corpus: Buffer[] = [];
  readonly #failures = new Set<string>();
  #inputs = 0;

  constructor(options: CampaignOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    const { bytesMax, dictionary } = options.target;
    this.#shape = { bytesMax, dictionary: dictionary.map((token) => Buffer.from(token, 'latin1')) };
  }

  /** Runs to its limit. */
  run(): void {
    const { target, corpus, coverage } = this.#options;
    const seeds = [...target.seeds.map((seed) => Buffer.from(seed)), ...corpus];
    coverage.fresh();
    this.#learn(seeds.filter((seed) => this.#attempt(seed)));
    // What reaches nothing new is worth changing all the same.
    if (this.#corpus.length === 0) this.#corpus.push(...seeds.slice(0, 1), Buffer.alloc(0));
    while (!this.#isOver()) this.#learn(this.#batch());
  }

  /** The shortest inputs that reach all that was reached. */
  minimalCorpus(): readonly Buffer[] {
    const { coverage } = this.#options;
    return minimalCorpus(this.#corpus, (input) => {
      coverage.all();
      this.#attempt(input, false);
      return coverage.all();
    });
  }

  get progress(): Progress {
    return {
      inputs: this.#inputs,
      blocks: this.#options.coverage.covered,
      corpus: this.#corpus.length,
      failures: this.#failures.size,
    };
  }

  #isOver(): boolean {
    return this.#isDone() || performance.now() >= this.#options.untilMs;
  }

  #isDone(): boolean {
    return this.#inputs >= this.#options.inputsMax || this.#failures.size >= FAILURES_MAX;
  }

  /** Inputs that held, for the look at what they reached. */
  #batch(): readonly Buffer[] {
    const { batchInputs = BATCH_INPUTS } = this.#options.target;
    const batch: Buffer[] = [];
    for (let count = 0; count < batchInputs && !this.#isDone(); count++) {
      if (count % CLOCK_INPUTS === 0 && this.#isOver()) break;
      const input = mutate(this.#parent(), this.#parent(), this.#random, this.#shape);
      if (this.#attempt(input)) batch.push(input);
    }
    return batch;
  }

  /** Half of the time one of the latest, which lead to what is new. */
  #parent(): Buffer {
    const { length } = this.#corpus;
    const from = this.#random.below(2) === 0 ? Math.max(0, length - 16) : 0;
    return this.#corpus[from + this.#random.below(length - from)] ?? Buffer.alloc(0);
  }

  /** Finds the inputs of a batch that reached something new, and keeps them. */
  #learn(batch: readonly Buffer[]): void {
    const { coverage } = this.#options;
    const fresh = new Set(coverage.fresh());
    if (fresh.size > 0) this.#search(batch, fresh);
    // What could not be found again depended on something else than the input.
    coverage.mark(fresh);
    this.#options.onProgress(this.progress);
  }

  /** Runs the batch again in halves; takes what is found out of `fresh`. */
  #search(batch: readonly Buffer[], fresh: Set<string>): void {
    if (batch.length === 0 || fresh.size === 0) return;
    const { coverage } = this.#options;
    coverage.fresh();
    for (const input of batch) this.#attempt(input, false);
    const found = coverage.fresh().filter((key) => fresh.has(key));
    if (found.length === 0) return;
    const [only] = batch;
    if (batch.length === 1 && only !== undefined) {
      this.#corpus.push(only);
      coverage.mark(found);
      for (const key of found) fresh.delete(key);
      return;
    }
    const middle = batch.length >> 1;
    this.#search(batch.slice(0, middle), fresh);
    this.#search(batch.slice(middle), fresh);
  }

  /** True if what must hold held. */
  #attempt(input: Buffer, counts = true): boolean {
    this.#options.onInput(input);
    if (counts) this.#inputs++;
    const failure = failureOf(this.#options.target, input);
    if (failure === null) return true;
    this.#report(failure);
    return false;
  }

  /** One mistake is reported once, with a short input that shows it. */
  #report(failure: Failure): void {
    if (this.#failures.has(failure.signature) || this.#failures.size >= FAILURES_MAX) return;
    this.#failures.add(failure.signature);
    this.#options.onFailure(shrink(this.#options.target, failure, this.#options.onInput), this.#inputs);
  }
}
