import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { memoryOf } from '../../bench/harness/procfs.ts';
import type { World } from '../world/world.ts';

/** What the proxy holds at one moment. Sizes in bytes. */
export interface Sample {
  readonly seconds: number;
  readonly rss: number;
  readonly pssAnon: number;
  readonly heap: number;
  readonly external: number;
  /** Open descriptors that are sockets, and all others (files, epoll, inotify, pipes). */
  readonly sockets: number;
  readonly files: number;
  /** libuv's handles; requests; timers that hold the process; all that `getActiveResourcesInfo` lists. */
  readonly handles: number;
  readonly requests: number;
  readonly timers: number;
  readonly resources: number;
  readonly threads: number;
  readonly clients: number;
  readonly upstreams: number;
  readonly tunnels: number;
  readonly lagSeconds: number;
  readonly cpuSeconds: number;
  /** Requests, tunnels and refused connections so far, by code; '' for none. */
  readonly concluded: number;
  readonly internal: number;
  readonly auditDropped: number;
}

/** By then the connection of a scrape has gone: it would be one of the descriptors, or not, by chance. */
const GONE_MS = 50;

/** Reads it from /metrics, where the scrape's own connection is in every sample alike, and from /proc. */
export async function takeSample({ admin, program }: World): Promise<Sample> {
  const text = (await admin.get('/metrics')).body;
  await delay(GONE_MS);
  const { rss, pssAnon } = memoryOf(program.pid);
  const descriptors = descriptorsOf(program.pid);
  const value = (name: string) => sum(text, name);
  return {
    seconds: performance.now() / 1000,
    rss,
    pssAnon,
    heap: value('nodejs_heap_size_used_bytes'),
    external: value('nodejs_external_memory_bytes'),
    sockets: descriptors.filter((target) => target.startsWith('socket:')).length,
    files: descriptors.filter((target) => !target.startsWith('socket:')).length,
    handles: value('nodejs_active_handles_total'),
    requests: value('nodejs_active_requests_total'),
    timers: sum(text, 'nodejs_active_resources', 'type="Timeout"'),
    resources: value('nodejs_active_resources_total'),
    threads: readdirSync(`/proc/${program.pid}/task`).length,
    clients: sum(text, 'postern_connections', 'side="client"'),
    upstreams: sum(text, 'postern_connections', 'side="upstream"'),
    tunnels: value('postern_tunnels'),
    lagSeconds: value('postern_event_loop_lag_seconds'),
    cpuSeconds: value('process_cpu_seconds_total'),
    concluded: value('postern_requests_total'),
    internal: sum(text, 'postern_requests_total', 'code="INTERNAL"'),
    auditDropped: value('postern_audit_dropped_total'),
  };
}

/** The series of a metric that have a label, added up: 0 where there is none. */
export function sum(text: string, name: string, label = ''): number {
  let total = 0;
  for (const line of text.split('\n')) {
    const found = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (found?.[1] === name && (found[2] ?? '').includes(label)) total += Number(found[3]);
  }
  return total;
}

function descriptorsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((number) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${number}`)];
    } catch {
      return []; // it was closed while we looked
    }
  });
}

/** The share of one core that the process used between two samples. */
export const cpuShare = (from: Sample, to: Sample): number =>
  (to.cpuSeconds - from.cpuSeconds) / (to.seconds - from.seconds);
