import { writeFileSync } from 'node:fs';
import { launch } from './harness/instance.ts';
import { prepareProcess } from './harness/processes.ts';
import { busyShare } from './harness/procfs.ts';
import { openWorld, type World } from './harness/world.ts';
import { installPeers } from './install.ts';
import { type Options, type RoundName, readOptions, usage } from './options.ts';
import { peers as allPeers } from './peers/all.ts';
import type { Peer } from './peers/peer.ts';
import { baselineIn } from './peers/postern.ts';
import { resultsAsJson } from './report/json.ts';
import type { Results } from './report/results.ts';
import { peerTables, posternLines } from './report/tables.ts';
import { targetLines, verdicts } from './report/targets.ts';
import { measureClosed } from './rounds/closed.ts';
import { runNewHosts } from './rounds/hosts.ts';
import { measureInstances } from './rounds/instances.ts';
import { runH1, runH2 } from './rounds/load-round.ts';
import type { Reporter, Run } from './rounds/loads.ts';
import { LoadMeasurements } from './rounds/measurements.ts';
import { measureMemory } from './rounds/memory.ts';
import { measureReloads } from './rounds/reloads.ts';
import { measureRules } from './rounds/rules.ts';
import { measureStart } from './rounds/start.ts';

const progress = (line: string): void =>
  void process.stderr.write(`${String(Math.round(performance.now() / 1000)).padStart(5)} s  ${line}\n`);

const reporterOf = ({ problems }: Results): Reporter => ({ progress, problem: (line) => void problems.push(line) });

function emptyResults(): Results {
  return {
    loads: new LoadMeasurements(),
    loadedByPeer: new Map(),
    h2LoadedByPeer: new Map(),
    startByPeer: new Map(),
    memoryByPeer: new Map(),
    rules: [],
    reloads: undefined,
    closed: undefined,
    instances: undefined,
    problems: [],
  };
}

/** Runs one part; what it throws is a problem of the run, not its end. */
async function attempt(results: Results, name: string, part: () => Promise<void>): Promise<void> {
  try {
    await part();
  } catch (error) {
    results.problems.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The rounds by name. Those of every peer go on with the next peer where one fails. */
const rounds: Readonly<Record<RoundName, (run: Run) => Promise<void>>> = {
  load: (run) => runH1(run, reporterOf(run.results)),
  h2: (run) => runH2(run, reporterOf(run.results)),
  hosts: ({ world, options, present, results }) =>
    runNewHosts(world, present, options, results.loads, reporterOf(results)),
  async start({ world, options, present, results }) {
    for (const peer of present)
      await attempt(results, `${peer.name} start`, async () => {
        results.startByPeer.set(peer.name, await measureStart(world, peer, options));
      });
  },
  async memory({ world, options, present, results }) {
    for (const peer of present)
      await attempt(results, `${peer.name} memory`, async () => {
        results.memoryByPeer.set(peer.name, await measureMemory(world, peer, options));
      });
  },
  async rules({ world, options, results }) {
    results.rules = await measureRules(world, options);
  },
  async reloads({ world, options, results }) {
    results.reloads = await measureReloads(world, options);
  },
  async closed({ world, options, results }) {
    results.closed = await measureClosed(world, options);
  },
  async instances({ world, options, results }) {
    results.instances = await measureInstances(world, options.instances);
  },
};

const ofPosternAlone: ReadonlySet<RoundName> = new Set(['rules', 'reloads', 'closed', 'instances']);

/** The peers that are installed and inject; each of the others is named with what to do. */
async function presentPeers(world: World, options: Options, results: Results): Promise<readonly Peer[]> {
  const present: Peer[] = [];
  const chosen = allPeers.filter(({ name }) => options.peers.includes(name));
  const older = options.baseline === undefined ? [] : [baselineIn(options.baseline)];
  for (const peer of [...chosen, ...older]) {
    if (peer.version() === undefined) {
      results.problems.push(`skipped ${peer.name}: not installed (${peer.install})`);
      continue;
    }
    await attempt(results, `skipped ${peer.name}`, async () => {
      await (await launch(world, peer)).stop();
      present.push(peer);
    });
  }
  return present;
}

async function measure(options: Options): Promise<{ results: Results; present: readonly Peer[] }> {
  const results = emptyResults();
  const busy = await busyShare(500);
  if (busy > 0.1)
    results.problems.push(`the machine was ${Math.round(busy * 100)} % busy before the run: figures are rough`);
  const world = await openWorld(options.cores, options.verbose);
  try {
    const present = await presentPeers(world, options, results);
    const hasPostern = present.some(({ name }) => name === 'postern');
    for (const name of options.rounds.filter((round) => hasPostern || !ofPosternAlone.has(round))) {
      progress(`round ${name}`);
      await attempt(results, `round ${name}`, () => rounds[name]({ world, options, present, results }));
    }
    results.problems.push(...results.loads.failures());
    return { results, present };
  } finally {
    await world.close();
  }
}

function print(results: Results, present: readonly Peer[]): void {
  const legend = present.map((peer) => `- ${peer.name} ${peer.version()}: ${peer.about}`).join('\n');
  const problems =
    results.problems.length === 0 ? '' : `### Notes\n\n${results.problems.map((line) => `- ${line}`).join('\n')}\n`;
  const parts = [
    peerTables(results, present),
    `${legend}\n`,
    posternLines(results),
    problems,
    targetLines(verdicts(results)),
  ];
  process.stdout.write(`${parts.filter(Boolean).join('\n')}\n`);
}

function listPeers(): void {
  for (const { name, about, install, version } of allPeers)
    process.stdout.write(`${name.padEnd(16)} ${(version() ?? `not installed: ${install}`).padEnd(12)}  ${about}\n`);
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options.install) return installPeers();
  if (options.list) return listPeers();
  prepareProcess(options.cores);
  const { results, present } = await measure(options);
  print(results, present);
  const targets = verdicts(results);
  const versions = new Map(present.map((peer) => [peer.name, peer.version() ?? '']));
  if (options.json !== undefined) writeFileSync(options.json, resultsAsJson(results, targets, versions));
  if (options.gate && targets.some(({ state }) => state !== 'reached')) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  process.exitCode = 2;
}
