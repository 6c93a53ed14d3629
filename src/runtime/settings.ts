import type { ListenAddress } from '../address/listen-address.ts';
import type { SecretSource } from '../policy/model.ts';
import type { ForwardTarget } from '../upstream/forward-targets.ts';

export type { ListenAddress };

/** `limits` of postern.yaml. Bytes and milliseconds. */
export interface Limits {
  readonly connections: number;
  readonly connectionsPerSandbox: number;
  readonly headBytes: number;
  readonly headFields: number;
  readonly clientHeadMs: number;
  readonly connectMs: number;
  readonly tlsMs: number;
  readonly responseHeadMs: number;
  readonly idleMs: number;
  readonly tunnelIdleMs: number;
  readonly drainMs: number;
  readonly leafCacheEntries: number;
  readonly dnsCacheMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  connections: 10_000,
  connectionsPerSandbox: 2_000,
  headBytes: 64 * 1024,
  headFields: 200,
  clientHeadMs: 30_000,
  connectMs: 10_000,
  tlsMs: 10_000,
  responseHeadMs: 600_000,
  idleMs: 300_000,
  tunnelIdleMs: 3_600_000,
  drainMs: 30_000,
  leafCacheEntries: 2_000,
  dnsCacheMs: 60_000,
};

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** `upstream.proxy` of postern.yaml. */
export interface ParentSettings {
  readonly scheme: 'http' | 'https';
  /** Canonical; IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
  /** For Basic; null: it wants none. */
  readonly user: { readonly name: string; readonly password: SecretSource } | null;
  /** What is dialled directly: canonical hosts and `*.suffix`, and canonical blocks of addresses. */
  readonly noProxyHosts: readonly string[];
  readonly noProxyBlocks: readonly string[];
}

/** One entry of `listen.transparent`. */
export interface TransparentListener {
  readonly address: ListenAddress;
  /** The port that what arrives there was meant for. */
  readonly port: number;
}

/** `listen` of postern.yaml. */
export interface Listeners {
  readonly proxy: readonly ListenAddress[];
  readonly transparent: readonly TransparentListener[];
  /** TCP addresses; UDP is listened on beside. */
  readonly dns: readonly ListenAddress[];
  /** Canonical addresses that allowed names are answered with; empty: the one that the question came to. */
  readonly dnsAnswers: readonly string[];
}

/** postern.yaml, read and validated: plain data, paths absolute, addresses canonical. */
export interface Settings {
  /** The file it came from; null for the embedded defaults. */
  readonly file: string | null;
  /** SHA-256 of the text, hex. */
  readonly hash: string;
  readonly listen: Listeners;
  readonly admin: { readonly listen: readonly ListenAddress[]; readonly token: SecretSource | null };
  /** A file or a folder. */
  readonly policies: string;
  readonly ca: { readonly dir: string; readonly leafTtlMs: number };
  readonly upstream: {
    /** PEM files added to the system roots. */
    readonly trust: readonly string[];
    /** `host:port` of resolvers; empty means the system's. */
    readonly dns: readonly string[];
    /** Canonical host to canonical addresses. */
    readonly hosts: readonly { readonly host: string; readonly addresses: readonly string[] }[];
    /** CIDRs of forbidden space that rules which name the host may reach. */
    readonly allowAddresses: readonly string[];
    /** The proxy that upstream connections go through; null: none. */
    readonly proxy: ParentSettings | null;
  };
  /** Where rules may forward to. */
  readonly forwardTo: readonly ForwardTarget[];
  readonly limits: Limits;
  readonly log: {
    readonly level: LogLevel;
    /** `stdout` or an absolute path. */
    readonly audit: string;
    readonly auditRequired: boolean;
  };
  readonly strictFiles: boolean;
  /** The folder of what outlives a restart; null: nothing does. */
  readonly state: string | null;
}
