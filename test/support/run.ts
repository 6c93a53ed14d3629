import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { closeAfterTest } from './closing.ts';
import { temporaryFolder } from './folder.ts';
import { listening } from './listening.ts';
import { certificateFor, loopback, SECRET } from './scene.ts';

export const PROGRAM = fileURLToPath(new URL('../../dist/postern.js', import.meta.url));

export interface RunScene {
  /** Of postern.yaml, policies/ and secret.txt; what each run keeps on the disk goes into `tmp` in it. */
  readonly folder: string;
  /** `https://origin.test:PORT/`: 200 with the injected credential alone, else 401. */
  readonly url: string;
}

/** An origin that wants the credential, and a folder with the policy that adds it. Other users may look into the folder. */
export async function prepareRun(policy = ''): Promise<RunScene> {
  const port = await listening(
    createHttpsServer(certificateFor('origin.test'), ({ headers }, response) => {
      response.writeHead(headers.authorization === `Bearer ${SECRET}` ? 200 : 401).end('answered\n');
    }),
  );
  const folder = temporaryFolder();
  chmodSync(folder, 0o755);
  for (const name of ['policies', 'tmp']) mkdirSync(join(folder, name));
  const { settings, files } = loopback();
  writeFileSync(join(folder, 'postern.yaml'), stringify({ version: 1, ...settings }));
  for (const [name, text] of Object.entries(files ?? {})) writeFileSync(join(folder, name), text, { mode: 0o600 });
  writeFileSync(join(folder, 'policies/test.yaml'), policy === '' ? defaultPolicy(port) : policy);
  return { folder, url: `https://origin.test:${port}/` };
}

/**
 * Copies of Node and of the program in the folder that a command runs in. There it sees them from within its namespaces; the checkout may be
 * in a folder that is hidden from it (`/tmp`, a home).
 */
export function programsIn(folder: string): { readonly node: string; readonly program: string } {
  const node = join(folder, 'node');
  copyFileSync(process.execPath, node);
  chmodSync(node, 0o755);
  cpSync(dirname(PROGRAM), join(folder, 'dist'), { recursive: true });
  return { node, program: join(folder, 'dist/postern.js') };
}

const defaultPolicy = (port: number): string => `version: 1
sandbox: { name: main, match: [{ source: 10.9.9.9 }] }
secrets:
  token: { file: ../secret.txt }
  unused: { env: UNUSED_TOKEN }
rules:
  - { name: all, hosts: [origin.test], ports: [${port}], inject: [{ bearer: "\${token}" }] }
`;

/** `postern run` as it runs; killed with its group when the test is over. */
export class Run {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  #isClosed = false;
  #waiting: (() => void)[] = [];

  constructor(
    program: string,
    args: readonly string[],
    options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
  ) {
    this.child = spawn(program, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    this.child.stdout?.on('data', (bytes) => {
      this.stdout += bytes;
      this.#wake();
    });
    this.child.stderr?.on('data', (bytes) => {
      this.stderr += bytes;
      this.#wake();
    });
    this.child.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
    closeAfterTest(this, () => {
      if (this.child.exitCode === null && this.child.signalCode === null)
        process.kill(-(this.child.pid ?? 0), 'SIGKILL');
    });
  }

  /** Waits until the command has printed that. */
  async printed(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = pattern.exec(this.stdout);
      if (found !== null) return found[1] ?? found[0];
      if (this.#isClosed) throw new Error(`ended without ${pattern}: ${this.stdout}${this.stderr}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Waits until it has ended, and everything else that holds its output: what it leaves behind would. */
  async ended(): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }> {
    while (!this.#isClosed) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return { code: this.child.exitCode, signal: this.child.signalCode };
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Starts `postern run` with these arguments, in the folder of the scene. */
export function startRun(
  { folder }: RunScene,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Run {
  const { PATH, HOME } = process.env;
  return new Run(process.execPath, ['--disable-sigusr1', PROGRAM, 'run', ...args], {
    cwd: folder,
    env: { PATH, HOME, TMPDIR: join(folder, 'tmp'), ...env },
  });
}

/** What runs have left on the disk. */
export const leftBy = ({ folder }: RunScene): readonly string[] => readdirSync(join(folder, 'tmp'));
