import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { compiled, type Program } from './native.ts';
import { spawnOn } from './processes.ts';

/** A running origin: GET /N answers N bytes to requests that carry the credential, 401 to all others. */
export interface Origin {
  readonly port: number;
  readonly child: ChildProcess;
}

/** Starts an origin on a free port: `origin` speaks HTTP/1.1, `origin-h2` nothing but HTTP/2. Rejects where it exits before it listens. */
export async function startOrigin(
  core: number,
  cert: string,
  key: string,
  bearer: string,
  program: Extract<Program, `origin${string}`> = 'origin',
): Promise<Origin> {
  const argv = [compiled(program), cert, key, bearer];
  const child = spawnOn(core, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new Error('the origin has no output');
  for await (const line of createInterface({ input: child.stdout })) {
    const port = Number(/^listening (\d+)$/.exec(line)?.[1]);
    if (port > 0) return { port, child };
  }
  throw new Error('the origin did not start');
}
