import type { RateUse } from '../budget/budget.ts';
import type { RuleUse } from '../budget/ledger.ts';
import type { Finding } from '../policy/model.ts';
import type { Generation } from '../runtime/generation.ts';
import type { GovernedByName } from '../runtime/in-force.ts';
import type { QuarantineEntry } from '../runtime/quarantine.ts';
import type { Outcome } from '../runtime/runtime.ts';
import type { Sandbox } from '../runtime/snapshot.ts';
import { VERSION } from '../version.ts';

/** What only the running process knows besides its generation. */
export interface Liveness {
  readonly ready: boolean;
  readonly draining: boolean;
  readonly proxyListeners: readonly string[];
  readonly otherListeners: Readonly<Record<'transparent' | 'dns', readonly string[]>>;
  readonly adminListeners: readonly string[];
  /** Sockets that a policy names and that could not be opened. */
  readonly listenersFailed: readonly { readonly listener: string; readonly reason: string }[];
  readonly connections: { readonly client: number; readonly upstream: number };
  readonly tunnels: number;
  readonly auditDropped: number;
  readonly auditHealthy: boolean;
  /** What the rules of a sandbox used of their limits. */
  uses(sandbox: string): readonly RuleUse[];
}

/** The body of `GET /v1/status`. Names and reasons, never a value. */
export function statusOf(
  generation: Generation,
  findings: readonly Finding[],
  live: Liveness,
  quarantine: readonly QuarantineEntry[],
): object {
  const { snapshot, governed, authority, restartRequired } = generation;
  return {
    version: VERSION,
    node: process.version,
    uptime_seconds: Math.round(process.uptime()),
    ready: live.ready,
    draining: live.draining,
    generation: snapshot.generation,
    hash: snapshot.hash,
    restart_required: restartRequired,
    sandboxes: [...snapshot.sandboxes.values()].map((sandbox) => ({
      ...sandboxStatus(sandbox, governed),
      limits: live.uses(sandbox.name).map(useJson),
    })),
    quarantine,
    findings: findings.map(findingJson),
    listeners: {
      proxy: live.proxyListeners,
      ...live.otherListeners,
      admin: live.adminListeners,
      failed: live.listenersFailed,
    },
    connections: live.connections,
    tunnels: live.tunnels,
    audit: { dropped: live.auditDropped, healthy: live.auditHealthy },
    ca: {
      file: authority.paths.ca,
      subject: authority.authority.subject,
      fingerprint: authority.authority.fingerprint,
      expires: authority.authority.notAfter.toISOString(),
    },
  };
}

function sandboxStatus({ name, files, hash, policy, vault }: Sandbox, governed: GovernedByName): object {
  const missing = [...vault].flatMap(([secret, resolved]) =>
    'unavailable' in resolved ? [{ secret, reason: resolved.unavailable }] : [],
  );
  return {
    name,
    state: governed.get(name)?.state ?? 'unavailable',
    files,
    hash,
    mode: policy?.mode ?? null,
    default: policy?.default ?? null,
    rules: policy?.rules.length ?? 0,
    secrets: vault.size,
    secrets_unavailable: missing,
  };
}

/** Of one rule with limits, once it was used: each limit that it has. */
function useJson({ rule, requests, bytesOut, concurrency, bodyBytesMax, inFlight }: RuleUse): object {
  return {
    rule,
    ...(requests === null ? {} : { requests: rateJson(requests) }),
    ...(bytesOut === null ? {} : { bytes_out: rateJson(bytesOut) }),
    ...(concurrency === null ? {} : { concurrency: { limit: concurrency } }),
    ...(bodyBytesMax === null ? {} : { body: { limit: bodyBytesMax } }),
    in_flight: inFlight,
  };
}

const rateJson = ({ amount, windowMs, used, available }: RateUse): object => ({
  limit: amount,
  window_seconds: windowMs / 1_000,
  used,
  available,
});

/** The body of `POST /v1/reload`. */
export const outcomeJson = ({ kind, generation, hash, durationMs, findings }: Outcome): object => ({
  outcome: kind,
  generation,
  hash,
  duration_ms: Math.round(durationMs),
  findings: findings.map(findingJson),
});

export const findingJson = ({ level, place, path, text }: Finding): object => ({
  level,
  file: place.file,
  line: place.line,
  column: place.column,
  key: path,
  text,
});
