import { below, type Site } from '../policy/finding.ts';
import { DEFAULT_LIMITS, type Limits } from './settings.ts';
import type { RawSettings } from './settings-schema.ts';
import { type Bounds, readWithin } from './within.ts';

const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;

const count = (max: number, initial: number): Bounds => ({ unit: 'count', min: 1, max, initial });
const duration = (max: number, initial: number): Bounds => ({ unit: 'duration', min: SECOND_MS, max, initial });

/** The bounds keep each limit one: low enough to protect, high enough that no real head or stream is cut by it. */
const BOUNDS = {
  connections: count(1_000_000, DEFAULT_LIMITS.connections),
  connections_per_sandbox: count(1_000_000, DEFAULT_LIMITS.connectionsPerSandbox),
  head_bytes: { unit: 'size', min: 4 * 1024, max: 16 * 1024 ** 2, initial: DEFAULT_LIMITS.headBytes },
  head_fields: count(10_000, DEFAULT_LIMITS.headFields),
  client_head: duration(DAY_MS, DEFAULT_LIMITS.clientHeadMs),
  connect: duration(DAY_MS, DEFAULT_LIMITS.connectMs),
  tls: duration(DAY_MS, DEFAULT_LIMITS.tlsMs),
  response_head: duration(DAY_MS, DEFAULT_LIMITS.responseHeadMs),
  idle: duration(DAY_MS, DEFAULT_LIMITS.idleMs),
  tunnel_idle: duration(7 * DAY_MS, DEFAULT_LIMITS.tunnelIdleMs),
  drain: { unit: 'duration', min: 1, max: DAY_MS, initial: DEFAULT_LIMITS.drainMs },
  leaf_cache: count(1_000_000, DEFAULT_LIMITS.leafCacheEntries),
  dns_cache: { unit: 'duration', min: 1, max: DAY_MS, initial: DEFAULT_LIMITS.dnsCacheMs },
} as const satisfies Record<string, Bounds>;

/** Reads `limits` of postern.yaml; what it does not say keeps its default. */
export function readLimits(raw: RawSettings['limits'], site: Site): Limits {
  const read = (key: keyof typeof BOUNDS): number => readWithin(raw?.[key], BOUNDS[key], below(site, key));
  return {
    connections: read('connections'),
    connectionsPerSandbox: read('connections_per_sandbox'),
    headBytes: read('head_bytes'),
    headFields: read('head_fields'),
    clientHeadMs: read('client_head'),
    connectMs: read('connect'),
    tlsMs: read('tls'),
    responseHeadMs: read('response_head'),
    idleMs: read('idle'),
    tunnelIdleMs: read('tunnel_idle'),
    drainMs: read('drain'),
    leafCacheEntries: read('leaf_cache'),
    dnsCacheMs: read('dns_cache'),
  };
}
