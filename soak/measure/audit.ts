import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Every audit line of the run, by code. Files are read and removed in the quiet time between two cycles. */
export class AuditCount {
  readonly linesByCode = new Map<string, number>();
  /** Lines that are not an audit line, or carry a code that none of the kinds expects; the first of them. */
  readonly strange: string[] = [];
  readonly #folder: string;
  readonly #expected: ReadonlySet<string>;
  /** Characters of the file that is being written which were read already. */
  #read = 0;

  constructor(folder: string, expected: ReadonlySet<string>) {
    this.#folder = folder;
    this.#expected = expected;
  }

  get total(): number {
    return [...this.linesByCode.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Reads what was written since the last time. Nothing may be written meanwhile but the end of the current file. */
  collect(): void {
    const rotated = readdirSync(this.#folder)
      .filter((name) => /^audit\.jsonl\.\d+$/.test(name))
      .sort((a, b) => Number(a.slice(12)) - Number(b.slice(12)));
    for (const name of rotated) {
      this.#count(name);
      rmSync(join(this.#folder, name));
      this.#read = 0;
    }
    this.#count('audit.jsonl');
    this.#read = statSync(join(this.#folder, 'audit.jsonl')).size;
  }

  #count(name: string): void {
    const bytes = readFileSync(join(this.#folder, name)).subarray(this.#read);
    for (const line of bytes.toString('utf8').split('\n')) if (line !== '') this.#line(line);
  }

  #line(text: string): void {
    const code = codeOf(text);
    this.linesByCode.set(code ?? 'none', (this.linesByCode.get(code ?? 'none') ?? 0) + 1);
    if (code !== null && !this.#expected.has(code) && this.strange.length < 100) this.strange.push(text);
  }
}

function codeOf(text: string): string | null {
  try {
    const line: unknown = JSON.parse(text);
    if (line !== null && typeof line === 'object' && 'code' in line)
      return typeof line.code === 'string' ? line.code : null;
  } catch {
    // falls through: half a line is no audit line
  }
  return 'not an audit line';
}
