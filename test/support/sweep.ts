import { createPrivateKey } from 'node:crypto';
import { appendFileSync, existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { get } from 'node:http';
import { dirname, join, relative, resolve } from 'node:path';
import { searchFor, VALUE_BYTES_MIN } from './canary.ts';

/** Longest wait for an answer of the admin listener: a run may be starved on purpose. */
const ADMIN_MS = 500;

/** Somewhere that a run has put bytes, as one character a byte. */
export interface Sink {
  readonly name: string;
  readonly text: string;
}

/** What a test has given to a run: file texts by path, every one that ever stood there, and environment variables. */
export interface Given {
  readonly folder: string;
  readonly textsByPath: ReadonlyMap<string, readonly string[]>;
  readonly env: Readonly<Record<string, string>>;
}

/** Set by the global setup: where each sweep leaves a line, to be counted when all tests are over. */
export const SWEEPS_VARIABLE = 'POSTERN_TEST_SWEEPS';

/** One sweep. `live`: the process still ran, and its admin listener answered. */
export interface Swept {
  readonly live: boolean;
  readonly values: number;
  readonly sinks: number;
  readonly ms: number;
}

/** What clients were shown while any run was open: tests share runs, and runs share clients. */
const clients = new Set<{ readonly shown: string }>();
let openRuns = 0;

export function sweepClient(client: { readonly shown: string }): void {
  if (openRuns > 0) clients.add(client);
}

export function runOpened(): void {
  openRuns++;
}

/** Answers with all that clients were shown since the first run that is still open was opened. */
export function runClosed(): string {
  const shown = [...clients].map((client) => client.shown).join('\n');
  if (--openRuns === 0) clients.clear();
  return shown;
}

/** Every value that the run was told to keep: what policies and settings name as `file` or `env`, and the keys that it made. */
export function secretsOf({ folder, textsByPath, env }: Given): readonly Buffer[] {
  const texts = [...secretPaths({ folder, textsByPath })].flatMap((path) => [
    ...(textsByPath.get(relative(folder, path)) ?? []),
    ...(statSync(path, { throwIfNoEntry: false })?.isFile() === true ? [readFileSync(path, 'utf8')] : []),
  ]);
  const variables = named(textsByPath, /\benv:\s*["']?(\w+)/g).map(({ name }) => env[name] ?? '');
  // A file with several lines is refused, and none of them may be quoted in saying so.
  const values = new Set([...texts, ...variables].flatMap((text) => text.split(/[\r\n\0]+/)));
  const bytes = [...values].map((value) => Buffer.from(value, 'utf8'));
  return [...bytes, ...keyValues(folder)].filter(({ length }) => length >= VALUE_BYTES_MIN);
}

function secretPaths({ folder, textsByPath }: Pick<Given, 'folder' | 'textsByPath'>): ReadonlySet<string> {
  const references = named(textsByPath, /\bfile:\s*["']?([^\s,}\]"']+)/g);
  return new Set(references.map(({ path, name }) => resolve(folder, dirname(path), name)));
}

function named(
  textsByPath: Given['textsByPath'],
  pattern: RegExp,
): readonly { readonly path: string; readonly name: string }[] {
  return [...textsByPath]
    .filter(([path]) => path.endsWith('.yaml'))
    .flatMap(([path, texts]) =>
      texts.flatMap((text) => [...text.matchAll(pattern)].map(([, name = '']) => ({ path, name }))),
    );
}

/** Of the CA, and of statements where a test keeps it in a folder of this name. */
const KEY_FILES: readonly string[] = ['certs/ca-key.pem', 'state/statement-key.pem'];

/** The private number of each key, and a line of its file: the first one is the same for every key. */
const keyValues = (folder: string): readonly Buffer[] => KEY_FILES.flatMap((file) => valuesOfKey(join(folder, file)));

function valuesOfKey(path: string): readonly Buffer[] {
  if (!existsSync(path)) return [];
  const pem = readFileSync(path, 'utf8');
  try {
    const { d = '' } = createPrivateKey(pem).export({ format: 'jwk' });
    return [Buffer.from(d, 'base64url'), Buffer.from(pem.split('\n')[2] ?? '')];
  } catch {
    // A test has damaged it.
    return [];
  }
}

/** What can be seen of the process only while it runs. */
export async function liveSinks(pid: number, adminPort: number, { env }: Given): Promise<readonly Sink[]> {
  const process = processSinks(pid, env);
  if (process.length === 0 || adminPort === 0) return process;
  const paths = [
    '/metrics',
    '/v1/status',
    '/healthz',
    '/readyz',
    '/v1/sandboxes',
    '/.well-known/jwks.json',
    '/nothing',
  ];
  const answers = await Promise.all(paths.map((path) => answerOf(adminPort, path)));
  const shown = answers.filter((text) => text !== null);
  return shown.length === 0 ? process : [...process, { name: ADMIN_SINK, text: shown.join('\n') }];
}

const ADMIN_SINK = 'answers of the admin listener';

/** The environment as the process got it, but for the variables that the test gave it; its command line; its children. */
function processSinks(pid: number, env: Readonly<Record<string, string>>): readonly Sink[] {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
    const others = environment.filter((entry) => !(entry.slice(0, entry.indexOf('=')) in env));
    const children = readdirSync(`/proc/${pid}/task`)
      .map((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8'))
      .join('')
      .trim();
    // What a child inherits could not be taken back.
    if (children !== '') throw new ChildrenError(children);
    return [
      { name: 'environment', text: others.join('\n') },
      { name: 'command line', text: readFileSync(`/proc/${pid}/cmdline`, 'latin1') },
    ];
  } catch (error) {
    if (error instanceof ChildrenError) throw error;
    return [];
  }
}

class ChildrenError extends Error {
  constructor(children: string) {
    super(`postern has child processes: ${children}`);
  }
}

function answerOf(port: number, path: string): Promise<string | null> {
  return new Promise((resolve) => {
    const asking = get({ port, path, agent: false, timeout: ADMIN_MS }, (answer) => {
      let text = JSON.stringify(answer.rawHeaders);
      answer.setEncoding('latin1');
      answer.on('data', (part: string) => {
        text += part;
      });
      answer.on('close', () => resolve(text));
    });
    asking.on('timeout', () => asking.destroy());
    asking.on('error', () => resolve(null));
  });
}

/** Every file of the run's folder that the test has not put there as it stands. */
function* fileSinks({ folder, textsByPath }: Given): Iterable<Sink> {
  const secrets = new Set([...secretPaths({ folder, textsByPath })].flatMap((path) => [path, realPathOf(path)]));
  for (const path of filesUnder(folder)) {
    if (secrets.has(path) || secrets.has(realPathOf(path)) || KEY_FILES.includes(relative(folder, path))) continue;
    const text = readFileSync(path, 'latin1');
    const name = relative(folder, path);
    const given = textsByPath.get(name) ?? [];
    if (!given.some((each) => Buffer.from(each).toString('latin1') === text)) yield { name: `file ${name}`, text };
  }
}

function realPathOf(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}

function* filesUnder(folder: string): Iterable<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesUnder(path);
    else if (entry.isFile()) yield path;
  }
}

/** Throws if a secret of the run is in any of the sinks or in a file, naming the place and the form, never the value. */
export function sweep(given: Given, sinks: readonly Sink[]): void {
  const startedMs = performance.now();
  const values = secretsOf(given);
  const search = searchFor(values);
  const all = [...sinks, ...fileSinks(given)];
  const found = all.flatMap(({ name, text }) => {
    const forms = search(text);
    return forms.length === 0 ? [] : [`${name} (${forms.join(', ')})`];
  });
  const live = sinks.some(({ name }) => name === ADMIN_SINK);
  note({ live, values: values.length, sinks: all.length, ms: performance.now() - startedMs });
  if (found.length > 0) throw new Error(`a secret of the run is in: ${found.join('; ')}`);
}

function note(swept: Swept): void {
  const file = process.env[SWEEPS_VARIABLE];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(swept)}\n`);
}
