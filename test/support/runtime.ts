import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { LineSink } from '../../src/observe/line-sink.ts';
import { Log } from '../../src/observe/log.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { Runtime } from '../../src/runtime/runtime.ts';
import type { Overrides } from '../../src/runtime/settings-in-force.ts';
import type { Snapshot } from '../../src/runtime/snapshot.ts';
import { temporaryFolder } from './folder.ts';

export interface RuntimeScene {
  readonly folder: string;
  readonly runtime: Runtime;
  readonly metrics: Metrics;
  /** Writes a file under the folder, in place. */
  write(name: string, text: string): void;
  remove(name: string): void;
  /** Every line of the operational log so far. */
  log(): Promise<readonly Record<string, unknown>[]>;
}

export interface RuntimeSceneOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly overrides?: Overrides;
  readonly settingsRequired?: boolean;
}

/** A runtime on a folder of its own, with real files, a real thread and a real CA; not started yet. */
export function runtimeScene(files: Readonly<Record<string, string>>, options: RuntimeSceneOptions = {}): RuntimeScene {
  const folder = temporaryFolder();
  const write = (name: string, text: string): void => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  };
  for (const [name, text] of Object.entries(files)) write(name, text);
  const logFile = join(folder, 'log.jsonl');
  const sink = new LineSink({ target: logFile });
  const metrics = new Metrics({
    version: 'test',
    auditDropped: () => 0,
    caExpirySeconds: () => null,
    quarantined: () => [],
    secretAges: () => [],
  });
  const runtime = new Runtime({
    sources: {
      folder,
      settingsFile: join(folder, 'postern.yaml'),
      settingsRequired: options.settingsRequired ?? false,
      overrides: options.overrides ?? {},
      environment: options.environment ?? {},
    },
    log: new Log(sink, 'debug'),
    metrics,
    // Node strips types by a WebAssembly module, and V8 has a race when threads that use it end (a crash in one run of ten).
    loadWorker: new URL('../../dist/load-worker.js', import.meta.url),
    listeners: () => [],
    onMinted: () => {},
  });
  onTestFinished(async () => {
    await runtime.close();
    await sink.close(1_000);
  });
  return {
    folder,
    runtime,
    metrics,
    write,
    remove: (name) => rmSync(join(folder, name), { recursive: true }),
    log: async () => {
      await sink.flush(1_000);
      const lines = readFileSync(logFile, 'utf8').split('\n').slice(0, -1);
      return lines.map((line) => JSON.parse(line));
    },
  };
}

/** A policy that allows one host, with more keys at its top if wanted. */
export const allowing = (host: string, more = ''): string =>
  `version: 1\n${more}rules:\n  - name: ${host}\n    hosts: [${host}]\n`;

/** The same for a named sandbox, known by an address. */
export const sandboxAllowing = (name: string, source: string, host: string): string =>
  allowing(host, `sandbox:\n  name: ${name}\n  match: [{ source: ${source} }]\n`);

/** The same with a secret that is put in; `source` as in a policy, `env: NAME` or `file: path`. */
export const withSecret = (source: string): string =>
  `${allowing('api.example.com', `secrets:\n  github: { ${source} }\n`)}    inject: [{ bearer: "\${github}" }]\n`;

export async function started(
  files: Readonly<Record<string, string>>,
  options: RuntimeSceneOptions = {},
): Promise<RuntimeScene> {
  const scene = runtimeScene(files, options);
  await scene.runtime.start();
  return scene;
}

/** The hosts that a sandbox may name, or null where it is denied. */
export const hosts = (snapshot: Snapshot, name = 'default'): readonly string[] | null =>
  snapshot.sandboxes.get(name)?.policy?.rules.flatMap((rule) => rule.hosts) ?? null;
