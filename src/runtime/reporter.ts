import type { Log } from '../observe/log.ts';
import type { Finding } from '../policy/model.ts';
import { differenceBetween } from './difference.ts';
import type { Snapshot } from './snapshot.ts';

const FINDINGS_LOGGED_MAX = 50;

/** Tells people, in the log, what a reload brought. */
export class Reporter {
  readonly #log: Log;
  #findings: readonly Finding[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  /** What was wrong or doubtful at the last reading. */
  get findings(): readonly Finding[] {
    return this.#findings;
  }

  /** Logs what was not wrong before; the rest has been said. */
  note(findings: readonly Finding[]): void {
    const known = new Set(this.#findings.map(keyOf));
    this.#findings = findings;
    const fresh = findings.filter((finding) => !known.has(keyOf(finding)));
    for (const { level, place, path, text } of fresh.slice(0, FINDINGS_LOGGED_MAX)) {
      const fields = { file: place.file, line: place.line, column: place.column, key: path };
      if (level === 'error') this.#log.error(text, fields);
      else this.#log.warn(text, fields);
    }
  }

  /** One line that says what a new generation allows and denies that the one before did not. */
  async tell(reason: string, previous: Snapshot, next: Snapshot): Promise<void> {
    const { generation, hash, sandboxes } = next;
    const { allowed, denied, changed } = await differenceBetween(previous.sandboxes, sandboxes);
    const count = sandboxes.size;
    this.#log.info('a new generation is in force', { reason, generation, hash, count, allowed, denied, changed });
  }
}

const keyOf = ({ level, place, path, text }: Finding): string => JSON.stringify([level, place, path, text]);
