import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Reporter, TestModule } from 'vitest/node';
import { type ClientProtocol, PROTOCOLS, type Proof } from '../support/client-matrix.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const DOCUMENT = `${root}docs/clients.md`;
const BEGIN = '<!-- Made by `npm run clients`; an edit between these lines is lost. -->\n';
const END = '<!-- End of what `npm run clients` makes. -->\n';

const HEADINGS: Readonly<Record<ClientProtocol, string>> = {
  h1: 'HTTP/1.1',
  h2: 'HTTP/2',
  ws: 'WebSocket',
  sse: 'SSE',
  grpc: 'gRPC',
  socks5: 'SOCKS5',
};

type Run = Proof & { readonly passed: boolean };

/** Writes the table of `docs/clients.md` from what has just run; leaves it as it is if anything failed or a file was left out. */
export default class ClientReport implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const complaint = complaintOf(modules);
    if (complaint === null) write(runsOf(modules));
    else console.log(`docs/clients.md is left as it is: ${complaint}`);
  }
}

const runsOf = (modules: readonly TestModule[]): readonly Run[] =>
  modules
    .flatMap((module) => [...module.children.allTests()])
    .flatMap((test) => {
      const { proof } = test.meta();
      return proof === undefined ? [] : [{ ...proof, passed: test.result().state === 'passed' }];
    });

function write(runs: readonly Run[]): void {
  const text = readFileSync(DOCUMENT, 'utf8');
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error('docs/clients.md has lost the lines that its table goes between');
  const made = `${BEGIN}\n${tableOf(runs)}\n${listOf(runs)}\n`;
  writeFileSync(DOCUMENT, text.slice(0, begin) + made + text.slice(end));
  console.log(
    `docs/clients.md: ${clientsOf(runs).length} clients, ${runs.filter(({ passed }) => passed).length} proofs`,
  );
}

function complaintOf(modules: readonly TestModule[]): string | null {
  const ran = new Set(modules.map(({ moduleId }) => moduleId));
  const left = globSync('test/clients/*.test.ts', { cwd: root }).filter((path) => !ran.has(root + path));
  if (left.length > 0) return `${left.join(', ')} did not run`;
  const failed = modules.filter((module) => module.state() === 'failed');
  return failed.length > 0 ? `${failed.map(({ moduleId }) => moduleId.slice(root.length)).join(', ')} failed` : null;
}

/** In the alphabet, whatever order the files ran in. */
const clientsOf = (runs: readonly Run[]): readonly string[] =>
  [...new Set(runs.map(({ client }) => client))].sort((one, other) => one.localeCompare(other, 'en'));

function tableOf(runs: readonly Run[]): string {
  const rows = clientsOf(runs).map((client) => {
    const own = runs.filter((run) => run.client === client);
    const cells = PROTOCOLS.map((protocol) => cellOf(own.filter((run) => run.protocol === protocol)));
    // What every proof of the client needs; what a single one needs stands in the list.
    const [needs = null] = new Set(own.map((run) => run.needs));
    const common = own.every((run) => run.needs === needs) ? needs : null;
    return [client, own[0]?.version ?? 'not installed', ...cells, common ?? ''];
  });
  const heading = ['client', 'version', ...PROTOCOLS.map((protocol) => HEADINGS[protocol]), 'needs besides'];
  return [heading, heading.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

function cellOf(runs: readonly Run[]): string {
  const passed = runs.filter((run) => run.passed).length;
  if (passed > 0) return `✓ ${passed}`;
  return runs.length > 0 ? 'not run' : '';
}

function listOf(runs: readonly Run[]): string {
  const lines = clientsOf(runs).map((client) => {
    const own = runs.filter((run) => run.client === client);
    return `- **${client}**\n${own.map((run) => `  - ${sentenceOf(run, own)}\n`).join('')}`;
  });
  return lines.join('');
}

function sentenceOf({ what, protocol, figures, passed, needs }: Run, own: readonly Run[]): string {
  const special = needs !== null && own.some((other) => other.needs !== needs) ? needs : null;
  const notes = [
    ...(special === null ? [] : [`needs ${special}`]),
    ...(figures === undefined ? [] : [figures]),
    ...(passed ? [] : ['**not run**']),
  ];
  return `${HEADINGS[protocol]}: ${what}${notes.length === 0 ? '' : ` (${notes.join('; ')})`}`;
}
