import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** A build with an empty module cache fetches its modules. */
const BUILD_MS = 300_000;

/** What tests build and install for themselves. Nothing of it is in the tree, and a second run finds it. */
const store = fileURLToPath(new URL('../../node_modules/.cache/postern-test', import.meta.url));

/** Something that a test needs and that is not of the project, or why it cannot be had. */
export type ThereOrNot<T> = { readonly there: T } | { readonly missing: string };

/** Says loudly what cannot be had: a run that tested nothing must not look like one in which all was well. */
export async function orMissing<T>(what: string, make: () => Promise<T>): Promise<ThereOrNot<T>> {
  try {
    return { there: await make() };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const missing = text.split('\n').slice(0, 3).join(' ');
    console.warn(`NOT TESTED with ${what}: ${missing}`);
    return { missing };
  }
}

/** Builds packages of a Go module, by its `go.mod` and `go.sum` as they stand; answers with the folder of the programs. */
export async function goPrograms(module: string, packages: readonly string[]): Promise<string> {
  const { stdout } = await run('go', ['env', 'GOVERSION']);
  const sources = globSync('{go.mod,go.sum,**/*.go}', { cwd: module }).sort();
  const name = `${stdout.trim()}-${digestOf(sources.map((path) => readFileSync(join(module, path), 'utf8')))}`;
  return await makeOnce(name, (target) =>
    run('go', ['build', '-mod=readonly', '-trimpath', '-o', `${target}/`, ...packages], {
      cwd: module,
      timeout: BUILD_MS,
    }),
  );
}

/** Installs what a requirements file pins, and answers with the folder for `PYTHONPATH`. */
export async function pythonPackages(requirements: string): Promise<string> {
  const { stdout } = await run('python3', ['-c', 'import sys; print("python-%d.%d" % sys.version_info[:2])']);
  const name = `${stdout.trim()}-${digestOf([readFileSync(requirements, 'utf8')])}`;
  const quiet = ['-q', '--no-input', '--disable-pip-version-check', '--only-binary', ':all:'];
  return await makeOnce(name, (target) =>
    run('python3', ['-m', 'pip', 'install', ...quiet, '--target', target, '-r', requirements], { timeout: BUILD_MS }),
  );
}

const digestOf = (texts: readonly string[]): string =>
  createHash('sha256').update(texts.join('\0')).digest('hex').slice(0, 12);

/** Fills a folder unless it is there. Two runs may do so at once: the folder appears whole, and who comes second uses the first one's. */
async function makeOnce(name: string, fill: (target: string) => Promise<unknown>): Promise<string> {
  const folder = join(store, name);
  if (existsSync(folder)) return folder;
  mkdirSync(dirname(folder), { recursive: true });
  const target = mkdtempSync(join(store, 'new-'));
  try {
    await fill(target);
    renameSync(target, folder);
  } catch (error) {
    rmSync(target, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}
