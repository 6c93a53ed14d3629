import { readdirSync, readFileSync } from 'node:fs';

/** Memory of all processes of a peer together, in bytes. Pss shares a page among those that map it (proc_pid_smaps(5)). */
export interface Memory {
  readonly rss: number;
  readonly pss: number;
  readonly pssAnon: number;
}

/** A process and everything it started that still lives. */
export function processTree(pid: number): readonly number[] {
  return [pid, ...childrenOf(pid).flatMap((child) => processTree(child))];
}

function childrenOf(pid: number): number[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const lists = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8'));
    return lists.join(' ').split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return []; // it ended while we looked
  }
}

/** What a process and its descendants hold now. */
export function memoryOf(pid: number): Memory {
  const total = { rss: 0, pss: 0, pssAnon: 0 };
  for (const member of processTree(pid)) {
    const text = rollup(member);
    total.rss += kibibytes(text, 'Rss');
    total.pss += kibibytes(text, 'Pss');
    total.pssAnon += kibibytes(text, 'Pss_Anon');
  }
  return total;
}

function rollup(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  } catch {
    return '';
  }
}

function kibibytes(text: string, key: string): number {
  const match = new RegExp(`^${key}: +(\\d+) kB`, 'm').exec(text);
  return Number(match?.[1] ?? 0) * 1024;
}

/** The share of all cores' time that was not idle between two samples: what a machine does that should be doing nothing. */
export async function busyShare(overMs: number): Promise<number> {
  const before = cpuTimes();
  await new Promise((resolve) => setTimeout(resolve, overMs));
  const after = cpuTimes();
  const total = after.total - before.total;
  return total > 0 ? 1 - (after.idle - before.idle) / total : 0;
}

function cpuTimes(): { total: number; idle: number } {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '';
  const ticks = line.split(/\s+/).slice(1, 9).map(Number);
  const idle = (ticks[3] ?? 0) + (ticks[4] ?? 0);
  return { total: ticks.reduce((sum, tick) => sum + tick, 0), idle };
}
