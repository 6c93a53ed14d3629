import type { Finding, PolicySpec, RuleSpec } from '../policy/model.ts';
import { LOAD_WORKER, LoadError, LoadThread } from './load-thread.ts';
import type { FilesReading, PolicyReading, ReadRequest } from './read-files.ts';
import type { Settings } from './settings.ts';

/** How long the thread is kept for the next edit before its memory (15 MB) is given back; a new one is ready after some 70 ms. */
const KEEP_MS = 2_000;

/** One policy file as it stands on disk. `spec` is null if it does not load. */
export interface LoadedPolicy {
  readonly file: string;
  readonly hash: string;
  readonly spec: PolicySpec | null;
  readonly findings: readonly Finding[];
}

/** Everything that the files say, at one moment. */
export interface LoadedFiles {
  /** null: postern.yaml does not load. */
  readonly settings: Settings | null;
  readonly settingsFindings: readonly Finding[];
  /** In the order of their names. */
  readonly policies: readonly LoadedPolicy[];
  readonly policiesFindings: readonly Finding[];
}

/**
 * Reads and parses files in a thread of its own, and remembers what each text said, so that only changed texts are parsed. The parsers
 * never load in the main thread. One `load` at a time.
 */
export class FileLoader {
  #policyByFile: ReadonlyMap<string, LoadedPolicy> = new Map();
  #thread: LoadThread | null = null;
  #endTimer: NodeJS.Timeout | null = null;
  readonly #entry: URL;

  constructor(entry: URL = LOAD_WORKER) {
    this.#entry = entry;
  }

  /** Starts the thread ahead of the first load, while the caller has other things to do. */
  warmUp(): void {
    this.#running();
  }

  /** @throws LoadError */
  async load(request: Omit<ReadRequest, 'known'>): Promise<LoadedFiles> {
    if (this.#endTimer !== null) clearTimeout(this.#endTimer);
    const known = new Map([...this.#policyByFile.values()].map(({ file, hash }) => [file, hash] as const));
    try {
      return this.#remember(await readAll(this.#running(), { ...request, known }));
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      this.#endTimer = setTimeout(() => void this.close(), KEEP_MS).unref();
    }
  }

  async close(): Promise<void> {
    if (this.#endTimer !== null) clearTimeout(this.#endTimer);
    const thread = this.#thread;
    this.#thread = null;
    await thread?.end();
  }

  #running(): LoadThread {
    if (this.#thread === null || this.#thread.ended) this.#thread = new LoadThread(this.#entry);
    return this.#thread;
  }

  #remember(reading: FilesReading): LoadedFiles {
    const policies = reading.policies.map((policy) => this.#loaded(policy));
    this.#policyByFile = new Map(policies.map((policy) => [policy.file, policy]));
    return { ...reading, policies };
  }

  #loaded(policy: PolicyReading): LoadedPolicy {
    if (policy.kind === 'parsed') return policy;
    const remembered = this.#policyByFile.get(policy.file);
    if (remembered === undefined) throw new LoadError('NOT_KNOWN');
    return remembered;
  }
}

async function readAll(thread: LoadThread, request: ReadRequest): Promise<FilesReading> {
  const answer = await thread.ask({ kind: 'read', request });
  if (answer.kind !== 'reading') throw new LoadError('UNEXPECTED_ANSWER');
  const rulesByFile = new Map<string, RuleSpec[]>();
  for (let left = answer.slices; left > 0; left--) {
    const slice = await thread.ask({ kind: 'more-rules' });
    if (slice.kind !== 'rules') throw new LoadError('UNEXPECTED_ANSWER');
    const rules = rulesByFile.get(slice.file);
    if (rules === undefined) rulesByFile.set(slice.file, [...slice.rules]);
    else rules.push(...slice.rules);
  }
  return { ...answer.reading, policies: answer.reading.policies.map((policy) => withRules(policy, rulesByFile)) };
}

function withRules(policy: PolicyReading, rulesByFile: ReadonlyMap<string, readonly RuleSpec[]>): PolicyReading {
  const rules = rulesByFile.get(policy.file);
  if (rules === undefined || policy.kind === 'known' || policy.spec === null) return policy;
  return { ...policy, spec: { ...policy.spec, rules } };
}
