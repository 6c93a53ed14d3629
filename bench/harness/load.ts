import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { compiled } from './native.ts';
import { spawnOn, stop } from './processes.ts';

/** What one run of the load is to do; `native/options.c` says what each means. */
export interface LoadOptions {
  readonly port: number;
  readonly mode: 'mitm' | 'direct';
  readonly url: string;
  readonly connections: number;
  readonly seconds?: number;
  readonly warmSeconds?: number;
  readonly requestsPerConnection?: number;
  /** So many requests beside one another on each connection, by HTTP/2; absent, one after the other by HTTP/1.1. */
  readonly streams?: number;
  readonly tickets?: number;
  readonly firstHost?: number;
  readonly fields?: readonly string[];
  readonly pids?: readonly number[];
}

/** What the load prints: counts within the measured window, latencies in microseconds. */
export interface LoadResult {
  readonly seconds: number;
  readonly ok: number;
  readonly otherStatus: number;
  readonly errors: number;
  readonly hungUp: number;
  readonly opened: number;
  readonly megabytes: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
  readonly openingP50Us: number;
  readonly cpuSeconds: number;
  readonly protocol: string;
  readonly lastStatus: number;
  readonly lastFailure: string;
}

function argvOf(options: LoadOptions): string[] {
  const argv = [
    '-p',
    `127.0.0.1:${options.port}`,
    '-m',
    options.mode,
    '-u',
    options.url,
    '-c',
    String(options.connections),
  ];
  const add = (flag: string, value: number | undefined) => {
    if (value !== undefined) argv.push(flag, String(value));
  };
  add('-d', options.seconds);
  add('-w', options.warmSeconds);
  add('-r', options.requestsPerConnection);
  add('-s', options.streams);
  add('-n', options.tickets);
  add('-N', options.firstHost);
  for (const field of options.fields ?? []) argv.push('-H', field);
  if (options.pids !== undefined && options.pids.length > 0) argv.push('-P', options.pids.join(','));
  return argv;
}

/** A load under way: `stop` ends its window early, `result` is what it measured. */
export interface RunningLoad {
  readonly result: Promise<LoadResult>;
  stop(): void;
}

/** Starts the load on a core. */
export function startLoad(core: number, options: LoadOptions): RunningLoad {
  const program = compiled(options.streams === undefined ? 'load' : 'load-h2');
  const child = spawnOn(core, [program, ...argvOf(options)], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new Error('the load has no output');
  return { result: text(child.stdout).then(parseResult), stop: () => child.kill('SIGTERM') };
}

/** Runs the load to its end. */
export function runLoad(core: number, options: LoadOptions): Promise<LoadResult> {
  return startLoad(core, options).result;
}

/** How long opening and holding may take together. */
const holdMs = 60_000;

/** Opens connections, one request each, and holds them while `meanwhile` runs. Resolves to what that found and how many were lost. */
export async function holdConnections<Found>(
  core: number,
  options: LoadOptions,
  meanwhile: () => Promise<Found>,
): Promise<{ readonly found: Found; readonly lost: number }> {
  const argv = [compiled('load'), ...argvOf(options), '-K'];
  const child = spawnOn(core, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new Error('the load has no output');
  const timer = setTimeout(() => child.kill('SIGTERM'), holdMs);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  try {
    const first = await lines.next();
    // What comes instead is the report of a load whose time was over before all were open.
    if (first.value !== 'held')
      throw new Error(`${options.connections} connections were not open in time: ${first.value}`);
    const found = await meanwhile();
    child.kill('SIGTERM');
    const last = await lines.next();
    const result = parseResult(last.value ?? '');
    return { found, lost: result.errors + result.hungUp };
  } finally {
    clearTimeout(timer);
    await stop(child);
  }
}

function parseResult(line: string): LoadResult {
  // Our own program prints it; a line that is not this shape is no JSON at all.
  return JSON.parse(line) as LoadResult;
}
