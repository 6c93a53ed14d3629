import { type Instance, launch } from '../harness/instance.ts';
import { startOrigin } from '../harness/origin.ts';
import { stop } from '../harness/processes.ts';
import type { Memory } from '../harness/procfs.ts';
import type { Peer } from '../peers/peer.ts';
import {
  breakIn,
  h1BreakIn,
  h1Loads,
  h2BreakIn,
  h2Loads,
  type Load,
  type Reporter,
  type Run,
  runLoads,
} from './loads.ts';

interface Round {
  readonly peers: readonly Peer[];
  readonly loads: readonly Load[];
  readonly breakInLoads: readonly Load[];
  readonly loadedByPeer: Map<string, Memory>;
  launch(peer: Peer): Promise<Instance>;
}

/** The loads of HTTP/1.1 on every peer. */
export function runH1(run: Run, reporter: Reporter): Promise<void> {
  const { present, results, world } = run;
  const { loadedByPeer } = results;
  const round = { peers: present, loads: h1Loads, breakInLoads: h1BreakIn, loadedByPeer };
  return runRound(run, { ...round, launch: (peer) => launch(world, peer) }, reporter);
}

/** Those of HTTP/2 on the peers that speak it: to an origin that speaks nothing else, where they have it on that side as well. */
export async function runH2(run: Run, reporter: Reporter): Promise<void> {
  const { present, results, world } = run;
  const { certificates, cores, bearer } = world;
  const origin = await startOrigin(cores.load, certificates.originCert, certificates.originKey, bearer, 'origin-h2');
  const originFor = ({ http2 }: Peer) => (http2 === 'client' ? world.origin : origin);
  const peers = present.filter(({ http2 }) => http2 !== 'none');
  const round = { peers, loads: h2Loads, breakInLoads: h2BreakIn, loadedByPeer: results.h2LoadedByPeer };
  const up = (peer: Peer) => launch(world, peer, { http2: true, originPort: originFor(peer).port });
  try {
    await runRound(run, { ...round, launch: up }, reporter);
  } finally {
    await stop(origin.child);
  }
}

/** All peers up at once and loaded one after the other. One that does not come up is named, and the others go on. */
async function runRound({ world, options, results }: Run, round: Round, reporter: Reporter): Promise<void> {
  const instances: Instance[] = [];
  try {
    for (const peer of round.peers) {
      try {
        instances.push(await round.launch(peer));
      } catch (error) {
        reporter.problem(`${peer.name}, ${round.loads[0]?.name}: ${String(error)}`);
      }
    }
    reporter.progress('breaking in');
    for (const instance of instances) await breakIn(world, instance, options, round.breakInLoads);
    await runLoads({ world, options, loads: round.loads }, instances, results.loads, reporter);
    for (const instance of instances) round.loadedByPeer.set(instance.peer.name, instance.memory());
  } finally {
    await Promise.all(instances.map((instance) => instance.stop()));
  }
}
