import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parseIp } from '../address/ip.ts';
import { compileInSlices } from '../policy/compile.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import type { Finding, SandboxSpec, SecretSource } from '../policy/model.ts';
import type { Vault } from '../secrets/secret.ts';
import { isSame, type Resolved, type Reading as SecretReading } from '../secrets/sources.ts';
import { findingAbout, readingOf, secretFindings, tokenFindings, vaultOf } from '../secrets/vaults.ts';
import { AuthorityError } from '../tls/authority.ts';
import type { LoadedAuthority } from '../tls/authority-files.ts';
import { createLeafContexts, type LeafContexts, type LeafOutcome } from '../tls/leaf-contexts.ts';
import { buildUpstreamContext } from '../tls/upstream-context.ts';
import { buildAddressPolicy } from '../upstream/address-policy.ts';
import { HostResolver } from '../upstream/resolver.ts';
import { buildIdentity } from './identity.ts';
import type { Governed, GovernedByName, SandboxState } from './in-force.ts';
import { parentOf } from './parent-of.ts';
import { isSameSecrets, type Reading } from './reading.ts';
import type { ListenAddress, Settings } from './settings.ts';
import { sourcesOfSettings } from './settings-secrets.ts';
import type { Sandbox, Snapshot } from './snapshot.ts';

/** A snapshot and what it was made of, which the next one is compared with and takes unchanged parts from. */
export interface Generation {
  readonly snapshot: Snapshot;
  readonly governed: GovernedByName;
  readonly secrets: ReadonlyMap<string, SecretReading>;
  readonly trustPems: readonly string[];
  readonly authority: LoadedAuthority;
  readonly adminToken: Resolved | null;
  readonly restartRequired: readonly string[];
}

export interface GenerationContext {
  /** Where we listen ourselves; may never be dialled. */
  readonly listeners: () => readonly ListenAddress[];
  readonly onMinted: (outcome: LeafOutcome) => void;
}

/** Of many rules, this many slices are compiled before the event loop has its turn: about a millisecond. */
const SLICES_AT_ONCE = 10;
/** For one question to one DNS server. */

/**
 * Makes the next generation out of a reading; nothing is in force by it. Compiled policies, vaults, leaves and trust that did not change
 * are taken from the previous one. A CA or trust file that does not load keeps its last good form, and the findings say so.
 * @throws AuthorityError if there is no earlier CA to keep
 */
export async function buildGeneration(
  reading: Reading,
  previous: Generation | null,
  context: GenerationContext,
): Promise<Generation> {
  const { settings, governed, secrets, restartRequired } = reading;
  const authority = authorityOf(reading, previous);
  const trustPems = reading.trust.kind === 'pems' ? reading.trust.pems : (previous?.trustPems ?? []);
  const sandboxes = new Map<string, Sandbox>();
  for (const [name, each] of governed) sandboxes.set(name, await sandboxOf(each, secrets, previous));
  const tokenOf = (source: SecretSource): Resolved => readingOf(source, secrets).resolved;
  const snapshot: Snapshot = Object.freeze({
    generation: (previous?.snapshot.generation ?? 0) + 1,
    hash: contentHash(settings, governed, trustPems),
    settings,
    sandboxes,
    identity: buildIdentity(identifiable(governed), tokenOf),
    addresses: buildAddressPolicy({
      allowAddresses: settings.upstream.allowAddresses,
      forwardTo: settings.forwardTo,
      listeners: context.listeners,
    }),
    resolver: resolverOf(settings, previous),
    ...parentOf(settings.upstream.proxy, tokenOf),
    upstreamContext: buildUpstreamContext({ extraCaPems: trustPems }),
    leaves: leavesOf(authority, settings, previous, context),
    caPem: authority.authority.caPem,
    findings: findingsOf(reading),
  });
  const adminToken = settings.admin.token === null ? null : tokenOf(settings.admin.token);
  return { snapshot, governed, secrets, trustPems, authority, adminToken, restartRequired };
}

/** Whether the new one differs in anything that is in force; if not, there is nothing to swap. */
export function isSameGeneration(one: Generation, other: Generation): boolean {
  return (
    one.snapshot.hash === other.snapshot.hash &&
    one.authority.authority.id === other.authority.authority.id &&
    isSameSecrets(one.secrets, other.secrets)
  );
}

/** Everything that is wrong or doubtful about a reading. */
export function findingsOf(reading: Reading): readonly Finding[] {
  const { authority, trust, settings, restartRequired, governed, secrets } = reading;
  const file = settings.file ?? 'postern.yaml';
  const findings: Finding[] = [...reading.findings];
  if (authority instanceof AuthorityError) findings.push(about('error', authority.file, 'ca', authority.message));
  if (trust.kind === 'refused') findings.push(about('error', trust.file, 'upstream.trust', trust.why));
  for (const key of restartRequired)
    findings.push(about('warning', file, key, 'changed, and takes effect at the next start'));
  for (const { source, path, what } of sourcesOfSettings(settings)) {
    const place = { file, line: 1, column: 1 };
    findings.push(...findingAbout(readingOf(source, secrets), place, path, `the ${what} is not available`));
  }
  const ofSandbox = ({ spec }: Governed): readonly Finding[] => [
    ...secretFindings(spec, secrets),
    ...tokenFindings(spec.match ?? [], secrets),
  ];
  return findings.concat([...governed.values()].filter(({ state }) => isLoaded(state)).flatMap(ofSandbox));
}

const about = (level: Finding['level'], file: string, path: string, text: string): Finding => ({
  level,
  place: { file, line: 1, column: 1 },
  path,
  text,
});

function authorityOf(reading: Reading, previous: Generation | null): LoadedAuthority {
  if (!(reading.authority instanceof AuthorityError)) return reading.authority;
  if (previous === null) throw reading.authority;
  return previous.authority;
}

async function sandboxOf(
  { spec, state }: Governed,
  secrets: ReadonlyMap<string, SecretReading>,
  previous: Generation | null,
): Promise<Sandbox> {
  const { name, files, hash } = spec;
  const known = previous?.snapshot.sandboxes.get(name);
  const isKept = known !== undefined && known.policy !== null && known.hash === hash;
  const policy = !isLoaded(state) ? null : isKept ? known.policy : await compile(spec);
  const vault = vaultOf(spec, secrets);
  return { name, policy, files, hash, vault: isKept && isSameVault(known.vault, vault) ? known.vault : vault };
}

async function compile(spec: SandboxSpec): Promise<CompiledPolicy> {
  const slices = compileInSlices(spec);
  for (let done = 1; ; done++) {
    const slice = slices.next();
    if (slice.done === true) return slice.value;
    if (done % SLICES_AT_ONCE === 0) await nextTurn();
  }
}

function isSameVault(one: Vault, other: Vault): boolean {
  if (one.size !== other.size) return false;
  return [...one].every(([name, resolved]) => {
    const there = other.get(name);
    return there !== undefined && isSame(resolved, there);
  });
}

/**
 * Whom a client can be. A sandbox whose files went away is still recognised, to be denied, unless somebody is everyone
 * (SEMANTICS.md 10): then its clients are that one's.
 */
function identifiable(governed: GovernedByName): readonly SandboxSpec[] {
  const all = [...governed.values()];
  const present = all.filter(({ state }) => state !== 'gone').map(({ spec }) => spec);
  const takesAll = present.some(({ match }) => match === null || match.some(({ any }) => any));
  const absent = all.filter(({ state }) => state === 'gone').map(({ spec }) => spec);
  const recognised = present.length === 0 ? absent : absent.filter(({ match }) => match !== null);
  return takesAll ? present : [...present, ...recognised];
}

/** Kept, with its answers, while nothing about it changes. */
function resolverOf({ upstream, limits }: Settings, previous: Generation | null): HostResolver {
  const was = previous?.snapshot.settings;
  const isSameDns =
    JSON.stringify([was?.upstream.dns, was?.upstream.hosts]) === JSON.stringify([upstream.dns, upstream.hosts]);
  const isSameTime = was?.limits.dnsCacheMs === limits.dnsCacheMs && was.limits.connectMs === limits.connectMs;
  if (previous !== null && isSameDns && isSameTime) return previous.snapshot.resolver;
  const hosts = new Map(
    upstream.hosts.map(({ host, addresses }) => [host, addresses.flatMap((text) => parseIp(text) ?? [])]),
  );
  const times = { cacheMs: limits.dnsCacheMs, timeoutMs: limits.connectMs };
  return new HostResolver({ servers: upstream.dns, hosts, ...times });
}

/** Contexts are kept while nothing about them changes: a new set starts empty, and every host would be minted anew. */
function leavesOf(
  { authority }: LoadedAuthority,
  { ca, limits }: Settings,
  previous: Generation | null,
  context: GenerationContext,
): LeafContexts {
  const was = previous?.snapshot.settings;
  const isSameMaking = was?.ca.leafTtlMs === ca.leafTtlMs && was.limits.leafCacheEntries === limits.leafCacheEntries;
  if (previous !== null && isSameMaking && previous.authority.authority.id === authority.id)
    return previous.snapshot.leaves;
  const { onMinted } = context;
  return createLeafContexts({ authority, entriesMax: limits.leafCacheEntries, leafTtlMs: ca.leafTtlMs, onMinted });
}

/**
 * SHA-256 over the hashes of the texts in force: equal on every machine that runs the same files. A text that stays because its file
 * does not load now counts as before. The CA differs by machine and is not in it.
 */
function contentHash(settings: Settings, governed: GovernedByName, trustPems: readonly string[]): string {
  const sandboxes = [...governed.values()]
    .map(({ spec, state }) => [spec.name, isLoaded(state) ? spec.hash : 'none'])
    .sort();
  const text = JSON.stringify([settings.hash, sandboxes, trustPems]);
  return createHash('sha256').update(text).digest('hex');
}

const isLoaded = (state: SandboxState): boolean => state === 'current' || state === 'last-good';
