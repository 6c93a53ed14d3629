import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../errors.ts';
import { replaceFile } from '../tls/durable-file.ts';

/** Why a sandbox is denied everything. Names only: no value, and nothing that the sandbox wrote. */
export interface QuarantineEntry {
  readonly sandbox: string;
  /** RFC 3339. */
  readonly since: string;
  /** Of the request that misused a placeholder. */
  readonly id: string;
  readonly host: string | null;
  readonly rule: string | null;
}

/** The file of quarantines cannot be read as one. Starting without it would lift them all. */
export class QuarantineError extends Error {
  override readonly name = 'QuarantineError';
}

const FILE = 'quarantine.json';
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

export interface QuarantineEvents {
  /** A sandbox was put in; what it has open is to be ended. */
  readonly onPut: (entry: QuarantineEntry) => void;
  /** The file could not be written: the quarantine holds, but would not survive a restart. */
  readonly onUnsaved: (file: string, code: string) => void;
}

/**
 * Sandboxes that are denied everything until an operator lifts it (SEMANTICS.md 7). It outlives reloads; with `state` in postern.yaml it
 * is a file and outlives the process too.
 */
export class Quarantine {
  readonly #entryBySandbox = new Map<string, QuarantineEntry>();
  readonly #file: string | null;
  readonly #events: QuarantineEvents;
  /** One write after another: the last one holds what is so. */
  #saved: Promise<void> = Promise.resolve();

  private constructor(file: string | null, entries: readonly QuarantineEntry[], events: QuarantineEvents) {
    this.#file = file;
    this.#events = events;
    for (const entry of entries) this.#entryBySandbox.set(entry.sandbox, entry);
  }

  /**
   * @param folder `state` of postern.yaml, made if it is not there; null: nothing is kept
   * @throws QuarantineError if what is kept there cannot be read
   */
  static async open(folder: string | null, events: QuarantineEvents): Promise<Quarantine> {
    if (folder === null) return new Quarantine(null, [], events);
    const file = join(folder, FILE);
    try {
      await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
      const text = await readFile(file, 'utf8').catch((error: unknown) => {
        if (errorCode(error) === 'ENOENT') return '[]';
        throw error;
      });
      return new Quarantine(file, entriesOf(text), events);
    } catch (error) {
      const why =
        error instanceof SyntaxError ? 'is not what was written there' : `cannot be read (${errorCode(error)})`;
      throw new QuarantineError(`state: ${file} ${why}; mend it, or remove it to lift every quarantine`);
    }
  }

  has(sandbox: string): boolean {
    return this.#entryBySandbox.size > 0 && this.#entryBySandbox.has(sandbox);
  }

  get entries(): readonly QuarantineEntry[] {
    return [...this.#entryBySandbox.values()];
  }

  /** Takes effect at once. */
  put(entry: QuarantineEntry): void {
    if (this.has(entry.sandbox)) return;
    this.#entryBySandbox.set(entry.sandbox, entry);
    void this.#save().catch((error: unknown) => this.#events.onUnsaved(this.#file ?? '', errorCode(error)));
    this.#events.onPut(entry);
  }

  /**
   * @returns false if the sandbox is in none
   * @throws the system's error if the file cannot be written: then the quarantine stays
   */
  async lift(sandbox: string): Promise<boolean> {
    const entry = this.#entryBySandbox.get(sandbox);
    if (entry === undefined) return false;
    await this.#save(sandbox);
    this.#entryBySandbox.delete(sandbox);
    return true;
  }

  #save(except: string | null = null): Promise<void> {
    const file = this.#file;
    if (file === null) return Promise.resolve();
    const write = (): Promise<void> => {
      const entries = this.entries.filter(({ sandbox }) => sandbox !== except);
      return replaceFile(file, `${JSON.stringify(entries, null, 2)}\n`, FILE_MODE);
    };
    const saving = this.#saved.then(write);
    this.#saved = saving.catch(() => {});
    return saving;
  }
}

function entriesOf(text: string): readonly QuarantineEntry[] {
  const parsed: unknown = JSON.parse(text);
  if (!Array.isArray(parsed) || !parsed.every(isEntry)) throw new SyntaxError('not a list of quarantines');
  return parsed;
}

function isEntry(value: unknown): value is QuarantineEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { sandbox, since, id } = value as Partial<QuarantineEntry>;
  return typeof sandbox === 'string' && typeof since === 'string' && typeof id === 'string';
}
