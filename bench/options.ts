import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Cores } from './harness/processes.ts';
import { peers } from './peers/all.ts';

/** The rounds by the names that `--rounds` takes, in the order in which they run. */
export const roundNames = [
  'load',
  'h2',
  'hosts',
  'start',
  'memory',
  'rules',
  'reloads',
  'closed',
  'instances',
] as const;
export type RoundName = (typeof roundNames)[number];

/** What one run does. Two sets of sizes: all of it in about a quarter of an hour, or a quick look. */
export interface Options {
  readonly peers: readonly string[];
  readonly rounds: readonly RoundName[];
  readonly cores: Cores;
  readonly repeats: number;
  readonly seconds: number;
  readonly warmSeconds: number;
  /** How long a fresh peer is loaded before anything is measured: what runs on a virtual machine gets slow code compiled meanwhile. */
  readonly breakInSeconds: number;
  readonly newHosts: number;
  readonly newHostsSeconds: number;
  readonly starts: number;
  /** How long memory is left alone before it is read. */
  readonly settleMs: number;
  /** How long a peer is left alone before it counts as idle: by then it has given back what it needed to start. */
  readonly idleMs: number;
  readonly manyRules: readonly number[];
  readonly reloads: number;
  readonly reloadSeconds: number;
  readonly closedConnections: number;
  readonly instances: number;
  /** The folder of an older checkout, built, that is measured as one more peer. */
  readonly baseline: string | undefined;
  readonly json: string | undefined;
  readonly install: boolean;
  readonly list: boolean;
  readonly gate: boolean;
  readonly verbose: boolean;
}

const full = {
  repeats: 3,
  seconds: 1.5,
  warmSeconds: 0.3,
  breakInSeconds: 5,
  newHosts: 1000,
  newHostsSeconds: 3,
  starts: 5,
  settleMs: 2000,
  idleMs: 15_000,
  manyRules: [10_000, 100_000],
  reloads: 1000,
  reloadSeconds: 100,
  closedConnections: 100_000,
} as const;

const quick = {
  repeats: 1,
  seconds: 0.8,
  warmSeconds: 0.2,
  breakInSeconds: 2,
  newHosts: 500,
  newHostsSeconds: 2,
  starts: 2,
  settleMs: 700,
  idleMs: 12_000,
  manyRules: [1000],
  reloads: 50,
  reloadSeconds: 8,
  closedConnections: 5000,
} as const;

/** Whom the targets name; the others are slow, and a quick look does without them. */
const quickPeers = ['postern', 'postern-unscrubbed', 'nginx', 'floor', 'hudsucker', 'goproxy', 'squid'];

export const usage = `npm run bench -- [options]
  --quick            small sizes, one repeat, fewer peers: a look, not a measurement (about two minutes)
  --peers a,b        only these: ${peers.map((peer) => peer.name).join(' ')}
  --rounds a,b       only these: ${roundNames.join(' ')}
  --repeats N        how often each load is repeated; figures are medians
  --seconds S        how long each load is measured
  --reload-seconds S how long the reloads may take (100)
  --cores P,L        the proxy's core and the load's (0,1)
  --baseline DIR     an older checkout of this project, built: one more peer in the same run
  --json FILE        all figures as JSON
  --gate             exit status 1 where a target is missed
  --install          install the peers that npm, PyPI, Go and Rust bring, into bench/.peers
  --list             which peers are installed
  --verbose          show what the peers print
`;

/** Reads the command line. Throws with a message for the user where it cannot. */
export function readOptions(argv: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: 'boolean', default: false },
      peers: { type: 'string' },
      rounds: { type: 'string' },
      repeats: { type: 'string' },
      seconds: { type: 'string' },
      'reload-seconds': { type: 'string' },
      cores: { type: 'string', default: '0,1' },
      baseline: { type: 'string' },
      json: { type: 'string' },
      gate: { type: 'boolean', default: false },
      install: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
    },
  });
  const names = peers.map(({ name }) => name);
  const sizes = values.quick ? quick : full;
  return {
    ...sizes,
    peers: chosen(values.peers ?? (values.quick ? quickPeers.join(',') : undefined), names, 'peer'),
    rounds: chosen(values.rounds, roundNames, 'round'),
    cores: readCores(values.cores),
    repeats: positive(values.repeats, sizes.repeats),
    seconds: positive(values.seconds, sizes.seconds),
    reloadSeconds: positive(values['reload-seconds'], sizes.reloadSeconds),
    instances: 10,
    baseline: values.baseline === undefined ? undefined : resolve(values.baseline),
    json: values.json,
    install: values.install,
    list: values.list,
    gate: values.gate,
    verbose: values.verbose,
  };
}

/** The names of a comma-separated list that are known, in their own order; all of them where no list is given. */
function chosen<Name extends string>(list: string | undefined, known: readonly Name[], what: string): readonly Name[] {
  if (list === undefined) return known;
  const wanted = new Set(list.split(','));
  const found = known.filter((name) => wanted.delete(name));
  if (wanted.size > 0) throw new Error(`no ${what} is called ${[...wanted].join(', ')}; there are ${known.join(', ')}`);
  return found;
}

function positive(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${text} is not a positive number`);
  return value;
}

function readCores(text: string): Cores {
  const [proxy, load] = text.split(',').map(Number);
  if (
    proxy === undefined ||
    load === undefined ||
    !Number.isInteger(proxy) ||
    !Number.isInteger(load) ||
    proxy === load
  )
    throw new Error('--cores takes two different core numbers, such as 0,1');
  if (availableParallelism() < 2)
    throw new Error('two cores are needed: one for the proxy, one for the load and the origin');
  return { proxy, load };
}
