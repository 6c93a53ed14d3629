import { arch, cpus, release } from 'node:os';
import type { Results } from './results.ts';
import type { Verdict } from './targets.ts';

/** Everything measured, unrounded, for other programs. */
export function resultsAsJson(
  results: Results,
  targets: readonly Verdict[],
  versions: ReadonlyMap<string, string>,
): string {
  const machine = {
    cpu: cpus()[0]?.model ?? '',
    cores: cpus().length,
    arch: arch(),
    kernel: release(),
    node: process.versions.node,
  };
  const report = {
    machine,
    versions: Object.fromEntries(versions),
    loads: results.loads.all,
    loaded: Object.fromEntries(results.loadedByPeer),
    h2Loaded: Object.fromEntries(results.h2LoadedByPeer),
    start: [...results.startByPeer.values()],
    memory: [...results.memoryByPeer.values()],
    rules: results.rules,
    reloads: results.reloads,
    closed: results.closed,
    instances: results.instances,
    targets,
    problems: results.problems,
  };
  return `${JSON.stringify(report, null, 2)}\n`;
}
