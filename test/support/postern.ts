import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { closeAfterTest } from './closing.ts';
import { type Given, liveSinks, runClosed, runOpened, type Sink, sweep } from './sweep.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/postern.js', import.meta.url));

export interface PosternOptions {
  /** Text by file name under `policies/`, or one text, which becomes `policies/test.yaml`. */
  readonly policies: string | Readonly<Record<string, string>>;
  /** Merged into postern.yaml beside the listeners on free ports. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Other files by their path in the folder, e.g. secrets; written with mode 0600. */
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** The network namespace that it runs in; the test cannot connect to it then. */
  readonly network?: string;
  /** Soft and hard limit of open files. */
  readonly descriptors?: number;
  /** The folder of another one that has ended, with what it left there; else a new one. */
  readonly folder?: string;
  /** Options of Node's, for tests that look into the process. */
  readonly nodeOptions?: readonly string[];
  /** The test wants clients to be shown the secret: by `scrub: false`, or by an origin that disguises it. */
  readonly clientsMaySee?: true;
}

interface RunOptions extends Required<Pick<PosternOptions, 'files' | 'env'>> {
  readonly clientsMaySee: boolean;
}

const NOTHING_GIVEN: RunOptions = { files: {}, env: {}, clientsMaySee: false };

export type AuditLine = Readonly<Record<string, unknown>>;

/** The built program, running in a folder of its own until the test is over. */
export class Postern {
  readonly folder: string;
  readonly child: ChildProcess;
  proxyPort = 0;
  adminPort = 0;
  stdout = '';
  stderr = '';
  exitCode: number | null = null;
  readonly #given: Given;
  readonly #textsByPath: Map<string, string[]>;
  readonly #clientsMaySee: boolean;
  #sinks: readonly Sink[] = [];
  #isSwept = false;
  #waiting: (() => void)[] = [];

  constructor(folder: string, child: ChildProcess, options: RunOptions = NOTHING_GIVEN) {
    runOpened();
    this.folder = folder;
    this.child = child;
    this.#textsByPath = new Map(Object.entries(options.files).map(([path, text]) => [path, [text]]));
    this.#given = { folder, textsByPath: this.#textsByPath, env: options.env };
    this.#clientsMaySee = options.clientsMaySee;
    child.stdout?.on('data', (bytes) => {
      this.stdout += bytes;
      this.#wake();
    });
    child.stderr?.on('data', (bytes) => {
      this.stderr += bytes;
      this.#wake();
    });
    child.on('close', (code) => {
      this.exitCode = code ?? -1;
      this.#wake();
    });
  }

  get caPath(): string {
    return join(this.folder, 'certs/ca.pem');
  }

  get ca(): string {
    return readFileSync(this.caPath, 'utf8');
  }

  get proxyUrl(): string {
    return `http://127.0.0.1:${this.proxyPort}`;
  }

  get adminUrl(): string {
    return `http://127.0.0.1:${this.adminPort}`;
  }

  /** Every audit line written so far. */
  get audit(): readonly AuditLine[] {
    return jsonLines(this.stdout);
  }

  get log(): readonly AuditLine[] {
    return jsonLines(this.stderr);
  }

  write(path: string, text: string): void {
    this.#note(path, text);
    writeIn(this.folder, path, text);
  }

  /** Replaces a file by another, as editors and secret managers do. */
  replace(path: string, text: string): void {
    this.#note(path, text);
    writeIn(this.folder, `${path}.next`, text);
    renameSync(join(this.folder, `${path}.next`), join(this.folder, path));
  }

  /** Waits until `find` answers something else than undefined; asked again whenever the program wrote something. */
  async until<T>(find: () => T | undefined): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (this.exitCode !== null) throw new Error(`postern ended (${this.exitCode}): ${this.stderr}${this.stdout}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** The first audit line that has these values, when it is written. */
  audited(wanted: AuditLine): Promise<AuditLine> {
    return this.until(() =>
      this.audit.find((line) => Object.entries(wanted).every(([key, value]) => line[key] === value)),
    );
  }

  logged(pattern: RegExp): Promise<string> {
    return this.until(() => pattern.exec(this.stderr)?.[0]);
  }

  async stop(): Promise<number> {
    await this.#look();
    this.child.kill('SIGTERM');
    while (this.exitCode === null) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.exitCode;
  }

  /** Kills it if it still runs, and throws if it has put one of its secrets anywhere. */
  async close(): Promise<void> {
    try {
      await this.#look();
    } finally {
      this.child.kill('SIGKILL');
      while (this.exitCode === null) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    if (this.#isSwept) return;
    this.#isSwept = true;
    const shown = runClosed();
    const written = [
      { name: 'audit (stdout)', text: latin1(this.stdout) },
      { name: 'log (stderr)', text: latin1(this.stderr) },
      { name: 'what clients got', text: this.#clientsMaySee ? '' : shown },
    ];
    sweep(this.#given, [...written, ...this.#sinks]);
  }

  /** Takes what can be seen only while it runs. */
  async #look(): Promise<void> {
    const { pid } = this.child;
    if (this.exitCode !== null || this.child.killed || pid === undefined) return;
    this.#sinks = [...this.#sinks, ...(await liveSinks(pid, this.adminPort, this.#given))];
  }

  /** What stood in a file is searched for at the end. */
  #note(path: string, text: string): void {
    this.#textsByPath.set(path, [...(this.#textsByPath.get(path) ?? []), text]);
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Writes the files, starts `postern serve` and waits until it listens. */
export async function startPostern(options: PosternOptions): Promise<Postern> {
  const postern = launchPostern(options);
  const ports = await postern.until(() => {
    const texts = [...postern.stderr.matchAll(/"listener":"127\.0\.0\.1:(\d+)"[^\n]*"msg":"(admin )?listening"/g)];
    return texts.some(([, , admin]) => admin === undefined) && texts.some(([, , admin]) => admin !== undefined)
      ? texts
      : undefined;
  });
  for (const [, port, admin] of ports) {
    if (admin === undefined) postern.proxyPort = Number(port);
    else postern.adminPort = Number(port);
  }
  return postern;
}

/** Like `startPostern`, without waiting: for starts that are to fail. */
export function launchPostern(options: PosternOptions): Postern {
  const { env = {}, nodeOptions = [], descriptors, clientsMaySee = false } = options;
  const folder = options.folder ?? newFolder();
  mkdirSync(join(folder, 'policies'), { recursive: true });
  const files = filesFor(options);
  for (const [path, text] of Object.entries(files)) writeIn(folder, path, text);
  const inside = options.network === undefined ? [] : ['ip', 'netns', 'exec', options.network];
  const command = [...inside, process.execPath, '--disable-sigusr1', ...nodeOptions, PROGRAM, 'serve'];
  const limited = ['/bin/sh', '-c', `ulimit -n ${descriptors} && exec "$@"`, 'sh', ...command];
  const [program = '', ...args] = descriptors === undefined ? command : limited;
  const child = spawn(program, args, {
    cwd: folder,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe', ...(nodeOptions.length === 0 ? [] : ['ipc' as const])],
  });
  return closeAfterTest(new Postern(folder, child, { files, env, clientsMaySee }), (postern) => postern.close());
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-test-'));
  return closeAfterTest(folder, () => rmSync(folder, { recursive: true, force: true }));
}

function filesFor({ policies, settings = {}, files = {} }: PosternOptions): Readonly<Record<string, string>> {
  const listeners = { listen: { proxy: ['127.0.0.1:0'] }, admin: { listen: ['127.0.0.1:0'] } };
  const texts = typeof policies === 'string' ? { 'test.yaml': policies } : policies;
  return {
    'postern.yaml': stringify({ version: 1, ...listeners, ...settings }),
    ...Object.fromEntries(Object.entries(texts).map(([name, text]) => [`policies/${name}`, text])),
    ...files,
  };
}

const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

function writeIn(folder: string, path: string, text: string): void {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text, { mode: 0o600 });
}

function jsonLines(text: string): readonly AuditLine[] {
  return text
    .split('\n')
    .slice(0, -1)
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as AuditLine);
}
