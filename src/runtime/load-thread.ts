import { Worker } from 'node:worker_threads';
import { errorCode } from '../errors.ts';
import type { LoadAnswer, LoadQuestion } from './load-messages.ts';

/** Longest that one answer may take: 100,000 rules take a tenth of it. */
const ANSWER_MS_MAX = 180_000;

/** Thrown when the loading thread failed, not the files: out of memory, or a bug. Nothing is known about the files then. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
  readonly code: string;

  constructor(code: string) {
    super(`the policy files could not be loaded (${code})`);
    this.code = code;
  }
}

interface Asked {
  readonly resolve: (answer: LoadAnswer) => void;
  readonly reject: (error: LoadError) => void;
}

/** The thread of `load-worker.ts`. It keeps the process alive only while a question is open. */
export class LoadThread {
  readonly #worker: Worker;
  #asked: Asked | null = null;
  #ended: LoadError | null = null;

  constructor(entry: URL) {
    // The environment may hold secrets; the thread needs none of it.
    this.#worker = new Worker(entry, { env: {} });
    this.#worker.on('error', (error) => this.#end(new LoadError(errorCode(error))));
    this.#worker.on('exit', () => this.#end(new LoadError('THREAD_ENDED')));
    this.#worker.on('message', (answer: LoadAnswer) => this.#answered(answer));
    this.#worker.unref();
  }

  get ended(): boolean {
    return this.#ended !== null;
  }

  /** One question at a time. @throws LoadError if the thread fails, or takes far too long: then it is ended. */
  async ask(question: LoadQuestion): Promise<LoadAnswer> {
    if (this.#ended !== null) throw this.#ended;
    const timer = setTimeout(() => void this.end(), ANSWER_MS_MAX);
    this.#worker.ref();
    try {
      return await new Promise<LoadAnswer>((resolve, reject) => {
        this.#asked = { resolve, reject };
        this.#worker.postMessage(question);
      });
    } finally {
      clearTimeout(timer);
      this.#worker.unref();
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #answered(answer: LoadAnswer): void {
    const asked = this.#asked;
    this.#asked = null;
    if (answer.kind === 'failed') asked?.reject(new LoadError(answer.code));
    else asked?.resolve(answer);
  }

  #end(error: LoadError): void {
    this.#ended ??= error;
    this.#asked?.reject(this.#ended);
    this.#asked = null;
  }
}

/** The entry of the thread: from source `load-worker.ts`, which Node runs as it stands; built, `dist/load-worker.js`, also beside a chunk. */
export const LOAD_WORKER = ((self: string): URL => {
  if (self.endsWith('.ts')) return new URL('./load-worker.ts', self);
  return new URL(self.includes('/chunks/') ? '../load-worker.js' : './load-worker.js', self);
})(import.meta.url);
