import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';

/** The two cores a run uses: the proxy has one to itself, load and origin share the other. */
export interface Cores {
  readonly proxy: number;
  readonly load: number;
}

const running = new Set<ChildProcess>();
const folders = new Set<string>();

/** Starts a program bound to one core, as leader of a process group of its own, and sees to it that the group ends when we do. */
export function spawnOn(core: number, argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
  const child = spawn('taskset', ['-c', String(core), ...argv], { stdio: 'ignore', ...options, detached: true });
  running.add(child);
  child.on('error', () => running.delete(child));
  child.on('exit', () => running.delete(child));
  return child;
}

/** Asks a program to end, and ends its whole group after `graceMs`. */
export async function stop(child: ChildProcess, graceMs = 3000): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => killGroup(child), graceMs);
    await exited;
    clearTimeout(timer);
  }
  // Helpers of a program that has gone (certificate generators) are still in its group.
  killGroup(child);
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group is empty already.
  }
}

/** Removes a folder when the run ends, however it ends. */
export function removeAtExit(folder: string): void {
  folders.add(folder);
}

/** Binds this process to the load's core, and arranges that nothing we start or write outlives it. */
export function prepareProcess(cores: Cores): void {
  const bound = spawnSync('taskset', ['-cp', String(cores.load), String(process.pid)], { encoding: 'utf8' });
  if (bound.status !== 0) throw new Error(`taskset (util-linux) is needed: ${bound.error?.message ?? bound.stderr}`);
  process.on('exit', () => {
    for (const child of running) killGroup(child);
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
}
