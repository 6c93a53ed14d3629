import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formsOf } from './canary.ts';
import { temporaryFolder } from './folder.ts';
import type { Postern } from './postern.ts';

/** Makes a Postern that can be asked for heap snapshots. Without the last one, V8 cuts strings in them after 1,024 characters. */
export const HEAP_OPTIONS: readonly string[] = [
  '--expose-gc',
  `--import=${fileURLToPath(new URL('heap-probe.mjs', import.meta.url))}`,
  '--heap-snapshot-string-limit=1000000',
];

/** Which forms of a value the heap holds, after a garbage collection. */
export async function formsInHeap(postern: Postern, value: string): Promise<readonly string[]> {
  const path = join(temporaryFolder(), 'heap.json');
  const written = new Promise((resolve) => postern.child.once('message', resolve));
  postern.child.send(path);
  await written;
  const snapshot = readFileSync(path);
  return formsOf(Buffer.from(value))
    .filter(({ text }) => snapshot.includes(JSON.stringify(text).slice(1, -1), 0, 'latin1'))
    .map(({ name }) => name);
}

/** The same once the program had the time to let go of it: a snapshot that comes in the middle of a reload is followed by another. */
export async function formsLeftInHeap(postern: Postern, value: string): Promise<readonly string[]> {
  let forms: readonly string[] = [];
  for (let count = 0; count < 3; count++) {
    forms = await formsInHeap(postern, value);
    if (forms.length === 0) break;
  }
  return forms;
}

/** How often a text stands in the memory that a process may write to: heap, buffers, stacks, freed blocks. Null without the right to look. */
export function timesInMemory({ child: { pid = 0 } }: Postern, text: string): number | null {
  let times = 0;
  const memory = openedMemory(pid);
  if (memory === null) return null;
  try {
    for (const bytes of writableParts(pid, memory))
      for (let at = bytes.indexOf(text, 0, 'latin1'); at >= 0; at = bytes.indexOf(text, at + 1, 'latin1')) times++;
  } finally {
    closeSync(memory);
  }
  return times;
}
function openedMemory(pid: number): number | null {
  try {
    return openSync(`/proc/${pid}/mem`, 'r');
  } catch {
    return null;
  }
}

function* writableParts(pid: number, memory: number): Iterable<Buffer> {
  const maps = readFileSync(`/proc/${pid}/smaps`, 'latin1');
  for (const [, from = '', to = '', rest = ''] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw.*\n((?:[A-Z].*\n)+)/gm)) {
    // Reserved, and never written to.
    if (/^Rss: +0 kB/m.test(rest)) continue;
    const start = Number.parseInt(from, 16);
    const bytes = Buffer.alloc(Number.parseInt(to, 16) - start);
    try {
      yield bytes.subarray(0, readSync(memory, bytes, 0, bytes.length, start));
    } catch {
      // A part that was given back meanwhile, or is the kernel's.
    }
  }
}
