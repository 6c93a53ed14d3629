import { type Log, stackOf } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Finding } from '../policy/model.ts';
import { AuthorityError } from '../tls/authority.ts';
import {
  buildGeneration,
  findingsOf,
  type Generation,
  type GenerationContext,
  isSameGeneration,
} from './generation.ts';
import { LoadError } from './load-thread.ts';
import { FileLoader } from './loader.ts';
import { readQuiet } from './quiet.ts';
import {
  type Before,
  filesOf,
  isSameReading,
  type Reading,
  type Refused,
  readEverything,
  type Sources,
} from './reading.ts';
import { Reporter } from './reporter.ts';
import { SecretLedger } from './secret-ledger.ts';
import type { Settings } from './settings.ts';
import { cameOfShortage, isShortage } from './shortage.ts';
import type { Snapshot } from './snapshot.ts';
import { Watcher } from './watcher.ts';

/** What came of a reload, when it is over: `swapped` is in force already. */
export interface Outcome {
  readonly kind: 'swapped' | 'unchanged' | 'refused';
  readonly generation: number;
  readonly hash: string;
  /** Of all files, whether they changed or not. With errors among them, parts keep their last good form. */
  readonly findings: readonly Finding[];
  readonly durationMs: number;
}

/** Nothing can be served: postern.yaml, the CA or a trust file does not load at the start. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    super('the configuration does not load');
    this.findings = findings;
  }
}

export interface RuntimeOptions extends GenerationContext {
  readonly sources: Sources;
  readonly log: Log;
  readonly metrics: Metrics;
  /** The entry of the loading thread, where it is not beside us. */
  readonly loadWorker?: URL;
}

/** After a reading that failed because descriptors or memory had run out. */
const SHORTAGE_RETRY_MS = 1_000;

type SwapListener = (next: Snapshot, previous: Snapshot) => void;

/**
 * The generation in force, and the one way to replace it (contract section 6): read → parse → validate → resolve secrets → compile →
 * compare → swap one reference → tell the listeners. Whatever asks for a reload, one runs at a time.
 */
export class Runtime {
  readonly #options: RuntimeOptions;
  readonly #loader: FileLoader;
  readonly #listeners = new Set<SwapListener>();
  readonly #watcher: Watcher;
  readonly #ledger: SecretLedger;
  readonly #reporter: Reporter;
  #generation: Generation | null = null;
  #firstSettings: Settings | null = null;
  #reading: Reading | null = null;
  #running: Promise<Outcome> | null = null;
  #next: Promise<Outcome> | null = null;
  #changedMs = Number.NEGATIVE_INFINITY;
  #isWatching = false;
  #retry: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(options: RuntimeOptions) {
    this.#options = options;
    this.#loader = new FileLoader(options.loadWorker);
    this.#ledger = new SecretLedger(options.metrics);
    this.#reporter = new Reporter(options.log);
    this.#watcher = new Watcher(
      () => void this.#changed(),
      (file) => options.log.warn('changes are not told here, so files are looked at every 2 s', { file }),
    );
    this.#loader.warmUp();
  }

  /** The generation in force. Throws before `start` has resolved. */
  get current(): Snapshot {
    return this.state.snapshot;
  }

  /** The generation in force with what it was made of. */
  get state(): Generation {
    if (this.#generation === null) throw new Error('no generation is in force yet');
    return this.#generation;
  }

  get isStarted(): boolean {
    return this.#generation !== null;
  }

  /** What was wrong or doubtful at the last reading, whether or not it made a new generation. */
  get findings(): readonly Finding[] {
    return this.#reporter.findings;
  }

  /** Reads everything and puts the first generation in force. @throws StartError */
  async start(): Promise<Snapshot> {
    const startedMs = performance.now();
    const reading = await this.#readOnce().catch((error: unknown) => {
      if (!(error instanceof LoadError)) throw error;
      const place = { file: this.#options.sources.settingsFile, line: 1, column: 1 };
      throw new StartError([{ level: 'error', place, path: '', text: error.message }]);
    });
    if (reading.settings === null) throw new StartError(reading.findings);
    const findings = findingsOf(reading);
    if (reading.authority instanceof AuthorityError || reading.trust.kind === 'refused') throw new StartError(findings);
    const generation = await buildGeneration(reading, null, this.#options);
    this.#firstSettings = reading.settings;
    this.#reading = reading;
    this.#reporter.note(findings);
    this.#ledger.note(reading.governed, reading.secrets);
    this.#swap(generation);
    this.#options.metrics.reloaded('swapped', performance.now() - startedMs);
    return generation.snapshot;
  }

  /** Told after each swap, in the order of registration, before `reload` resolves. Returns how to stop. */
  onSwap(listener: SwapListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** From now on an edit of any file that was read is a reload. Resolves when every change is seen. */
  async watch(): Promise<void> {
    this.#isWatching = true;
    await this.#watchFiles();
  }

  /** Seconds since each available secret got its value. */
  secretAges(): Iterable<readonly [secret: string, seconds: number]> {
    return this.#ledger.ages();
  }

  /**
   * Reads everything again and puts it in force. A call while one runs is answered by one more run after it, shared by all who ask in
   * between: so whoever asks gets a reading that began after the question. Never rejects.
   */
  reload(reason: string): Promise<Outcome> {
    if (this.#running === null) {
      this.#running = this.#run(reason).finally(() => {
        this.#running = null;
      });
      return this.#running;
    }
    this.#next ??= this.#running.then(() => {
      this.#next = null;
      return this.reload(reason);
    });
    return this.#next;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    await this.#watcher.close();
    await this.#running;
    await this.#loader.close();
  }

  #changed(): Promise<Outcome> {
    this.#changedMs = performance.now();
    return this.reload('files changed');
  }

  async #watchFiles(): Promise<void> {
    if (!this.#isWatching || this.#reading === null) return;
    const files = filesOf(this.#reading, this.#options.sources);
    await this.#watcher.watch({ policies: this.#reading.settings.policies, files });
  }

  async #run(reason: string): Promise<Outcome> {
    const { log, metrics } = this.#options;
    const startedMs = performance.now();
    let isShort = false;
    const kind = await this.#attempt(reason).catch((error: unknown): Outcome['kind'] => {
      if (error instanceof LoadError) {
        log.error('the files could not be read', { code: error.code });
        isShort = isShortage(error.code);
      } else log.error('a reload failed, which is a bug', { stack: stackOf(error) });
      return 'refused';
    });
    if (isShort || cameOfShortage(this.findings)) this.#retryLater();
    const durationMs = performance.now() - startedMs;
    metrics.reloaded(kind, durationMs);
    await this.#watchFiles();
    const { generation, hash } = this.current;
    log.debug('reload', { reason, outcome: kind, generation, hash, duration_ms: Math.round(durationMs) });
    return { kind, generation, hash, findings: this.findings, durationMs };
  }

  /** The edit that could not be read will not be told again. */
  #retryLater(): void {
    if (this.#isClosed) return;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.reload('read again'), SHORTAGE_RETRY_MS).unref();
  }

  async #attempt(reason: string): Promise<Outcome['kind']> {
    if (this.#isClosed) return 'refused';
    const reading = await this.#readQuiet();
    if (reading.settings === null) {
      this.#reporter.note(reading.findings);
      return 'refused';
    }
    const previous = this.state;
    const generation = await buildGeneration(reading, previous, this.#options);
    this.#reading = reading;
    this.#reporter.note(generation.snapshot.findings);
    this.#ledger.note(reading.governed, reading.secrets);
    if (isSameGeneration(previous, generation)) {
      this.#generation = { ...generation, snapshot: previous.snapshot };
      return 'unchanged';
    }
    this.#swap(generation);
    void this.#reporter.tell(reason, previous.snapshot, generation.snapshot);
    return 'swapped';
  }

  #readQuiet(): Promise<Reading | Refused> {
    return readQuiet<Reading | Refused>({
      read: () => this.#readOnce(),
      isSame: isSameReading,
      known: this.#reading,
      changedMs: () => this.#changedMs,
    });
  }

  #readOnce(): Promise<Reading | Refused> {
    const generation = this.#generation;
    const firstSettings = this.#firstSettings;
    const before: Before | null =
      generation === null || firstSettings === null
        ? null
        : { firstSettings, governed: generation.governed, caDir: generation.snapshot.settings.ca.dir };
    return readEverything(this.#loader, this.#options.sources, before);
  }

  #swap(generation: Generation): void {
    const previous = this.#generation?.snapshot;
    this.#generation = generation;
    this.#options.log.setLevel(generation.snapshot.settings.log.level);
    this.#options.metrics.swapped(generation.snapshot);
    if (previous === undefined) return;
    for (const listener of this.#listeners) this.#notify(listener, generation.snapshot, previous);
  }

  /** A listener that fails must not keep the others from learning what is in force. */
  #notify(listener: SwapListener, next: Snapshot, previous: Snapshot): void {
    try {
      listener(next, previous);
    } catch (error) {
      this.#options.log.error('a listener failed on a new generation, which is a bug', { stack: stackOf(error) });
    }
  }
}
