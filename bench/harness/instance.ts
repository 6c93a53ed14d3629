import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Peer } from '../peers/peer.ts';
import type { LoadOptions } from './load.ts';
import { freePort } from './ports.ts';
import { type Probe, probe, untilInjected } from './probe.ts';
import { spawnOn, stop } from './processes.ts';
import { type Memory, memoryOf, processTree } from './procfs.ts';
import type { World } from './world.ts';

/** A peer that is up and has passed a real injected 200. */
export interface Instance {
  readonly peer: Peer;
  readonly port: number;
  readonly adminPort: number;
  readonly folder: string;
  /** Milliseconds from exec to the first injected 200. */
  readonly startMs: number;
  readonly pid: number;
  /** Rejects where the peer does not, now, inject what the origin wants. */
  check(): Promise<void>;
  memory(): Memory;
  /** The URL of a body of so many bytes at its origin. */
  url(bytes: number): string;
  /** What every load on this instance has in common. */
  load(): Pick<LoadOptions, 'port' | 'mode' | 'fields' | 'pids'>;
  stop(): Promise<void>;
}

export interface LaunchOptions {
  /** See `PeerContext.hosts`. */
  readonly hosts?: number;
  /** Reuses an earlier instance's folder, and so its certificates and state. */
  readonly folder?: string;
  /** Another origin than the world's. */
  readonly originPort?: number;
  /** HTTP/2 with the client. */
  readonly http2?: boolean;
  readonly withinMs?: number;
}

/** Makes a folder for one instance of a peer; others may pass through it, since some peers give up root. */
export function instanceFolder(world: World, name: string): string {
  return mkdtempSync(join(world.folder, `${name}-`));
}

/** Starts a peer on the proxy's core and waits for its first injected 200. Rejects, with nothing left running, where none comes. */
export async function launch(world: World, peer: Peer, options: LaunchOptions = {}): Promise<Instance> {
  const folder = options.folder ?? instanceFolder(world, peer.name);
  const port = await freePort();
  const adminPort = await freePort();
  const originPort = options.originPort ?? world.origin.port;
  const { certificates, bearer } = world;
  const http2 = options.http2 ?? false;
  const command = peer.prepare({
    folder,
    port,
    adminPort,
    originPort,
    certificates,
    bearer,
    hosts: options.hosts ?? 0,
    http2,
  });
  const fields = peer.injects ? [] : [`authorization: Bearer ${bearer}`];
  const trust = command.clientTrust ?? (peer.injects ? certificates.caCert : certificates.trust);
  const target: Probe = { mode: peer.mode, port, host: 'origin.test', originPort, trust, fields, http2 };
  const output = world.verbose ? 'inherit' : 'ignore';
  const startedMs = performance.now();
  const child = spawnOn(world.cores.proxy, command.argv, {
    stdio: ['ignore', output, output],
    cwd: folder,
    env: { ...process.env, ...command.env },
  });
  try {
    await untilInjected(target, options.withinMs ?? 20_000, () => child.exitCode === null);
  } catch (error) {
    await stop(child);
    throw new Error(`${peer.name}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const startMs = performance.now() - startedMs;
  const pid = child.pid ?? 0;
  return {
    peer,
    port,
    adminPort,
    folder,
    startMs,
    pid,
    async check() {
      const status = await probe(target);
      if (status !== 200) throw new Error(`${peer.name} did not inject: ${status}`);
    },
    url: (bytes) => `https://origin.test:${originPort}/${bytes}`,
    memory: () => memoryOf(pid),
    load: () => ({ port, mode: peer.mode, fields, pids: processTree(pid) }),
    stop: () => stop(child),
  };
}
