import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { goPrograms } from './built-once.ts';
import { runCommand } from './command.ts';

const module = fileURLToPath(new URL('../h2/h2spec', import.meta.url));

/** What h2spec found. Its cases have no names of their own: one is its section and what it does. */
export interface Conformance {
  readonly passed: number;
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
}

export interface H2SpecOptions {
  /** The program, of `h2specProgram`. */
  readonly program: string;
  /** Also what `:authority` and SNI say, with the port. It must resolve. */
  readonly host: string;
  readonly port: number;
  /** The cases that the RFC leaves to the server, too. */
  readonly strict?: boolean;
  /** Only these, e.g. `http2/6.5`. */
  readonly sections?: readonly string[];
}

/** Builds h2spec at the version that `test/h2/h2spec/go.mod` pins. */
export async function h2specProgram(): Promise<string> {
  return join(await goPrograms(module, ['github.com/summerwind/h2spec/cmd/h2spec']), 'h2spec');
}

/** Asks all that h2spec knows of a TLS server, whose certificate it does not look at. */
export async function runH2Spec(options: H2SpecOptions): Promise<Conformance> {
  const { program, host, port, strict = false, sections = [] } = options;
  const folder = mkdtempSync(join(tmpdir(), 'postern-h2spec-'));
  try {
    const report = join(folder, 'report.xml');
    const args = ['--tls', '--insecure', '--host', host, '--port', String(port), '--junit-report', report];
    const { stdout, stderr } = await runCommand(program, [...(strict ? ['--strict'] : []), ...args, ...sections], {
      timeoutMs: RUN_MS,
    });
    try {
      return conformanceIn(readFileSync(report, 'utf8'));
    } catch (error) {
      throw new Error(`h2spec left no report: ${stderr}${stdout.slice(-2000)}`, { cause: error });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Each case may wait two seconds for what does not come. */
const RUN_MS = 300_000;

/** Reads h2spec's own report: a flat list of cases, each with at most one verdict inside. */
export function conformanceIn(junit: string): Conformance {
  const cases = [...junit.matchAll(/<testcase ([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs)].map(
    ([, attributes = '', inside = '']) => ({
      name: `${attribute(attributes, 'package')} ${attribute(attributes, 'classname')}`,
      failed: /<(failure|error)\b/.test(inside),
      skipped: /<skipped\b/.test(inside),
    }),
  );
  const total = [...junit.matchAll(/<testsuite [^>]*\btests="(\d+)"/g)].reduce((sum, [, n]) => sum + Number(n), 0);
  if (cases.length === 0) throw new Error(`no cases among ${junit.slice(0, 200)}`);
  if (total > cases.length) throw new Error(`${total} cases were announced, ${cases.length} are there`);
  return {
    passed: cases.filter(({ failed, skipped }) => !failed && !skipped).length,
    failed: cases.filter(({ failed }) => failed).map(({ name }) => name),
    skipped: cases.filter(({ skipped }) => skipped).map(({ name }) => name),
  };
}

const attribute = (text: string, name: string): string =>
  new RegExp(`\\b${name}="([^"]*)"`).exec(text)?.[1]?.replaceAll('&#39;', "'").replaceAll('&#34;', '"') ?? '';
