import type { Finding, MatchSpec, PolicySpec, SandboxSpec } from '../policy/model.ts';
import { groupSandboxes } from '../policy/reading/sandboxes.ts';
import type { LoadedFiles, LoadedPolicy } from './loader.ts';

/**
 * `current`: as its files say. `last-good`: its files do not load, so what they last said stays. `unavailable`: its files never
 * loaded. `gone`: it has no file any more. The last two are denied `POLICY_UNAVAILABLE` (SEMANTICS.md 10).
 */
export type SandboxState = 'current' | 'last-good' | 'unavailable' | 'gone';

/** What governs one sandbox, and the files that were merged for it, kept so that they can stand in for a later version that does not load. */
export interface Governed {
  readonly spec: SandboxSpec;
  readonly state: SandboxState;
  readonly policies: readonly PolicySpec[];
}

export type GovernedByName = ReadonlyMap<string, Governed>;

/** The sandbox of files without `sandbox`. */
const DEFAULT_NAME = 'default';
/** Sandboxes whose files went away are remembered for as long as the process lives, but not without bound: the oldest go first. */
const GONE_MAX = 10_000;

/**
 * Decides, sandbox by sandbox, what is in force after a reading: its files, if all of them load and agree with the others; else what
 * was in force before; else nothing (SEMANTICS.md 10). Of several files of one sandbox the old or the new ones stand together: a
 * mixture is a policy that nobody wrote.
 */
export function chooseSandboxes(files: LoadedFiles, previous: GovernedByName): Choice {
  const loaded = files.policies;
  const held = new Set(
    loaded.flatMap((policy) => (policy.spec === null ? (ownerOfBroken(policy, loaded, previous) ?? []) : [])),
  );
  const findings = [...files.policiesFindings, ...loaded.flatMap((policy) => policy.findings)];
  for (;;) {
    const policies = policiesToUse(loaded, held, previous);
    const grouped = groupSandboxes(policies);
    findings.push(...grouped.findings);
    const clashing = ownersOfErrors(grouped.findings, policies).filter((owner) => !held.has(owner));
    for (const owner of clashing) held.add(owner);
    if (clashing.length > 0) continue;
    const usable = withoutErrors(grouped.sandboxes, grouped.findings);
    const governed = withAbsent(governedOf(usable, policies, held), held, previous);
    if (governed.size === 0) governed.set(DEFAULT_NAME, nobody(files));
    return { governed, findings: distinct(findings) };
  }
}

export interface Choice {
  readonly governed: GovernedByName;
  readonly findings: readonly Finding[];
}

/** Of a folder without a policy: files without `sandbox` together govern `default`, also where there are none, and allow nothing. */
const nobody = (files: LoadedFiles): Governed =>
  absent(DEFAULT_NAME, files.policiesFindings.some(({ level }) => level === 'error') ? 'unavailable' : 'current', null);

const ownerOf = (policy: PolicySpec): string => policy.sandbox?.name ?? DEFAULT_NAME;

/** Whose file it is that does not load: who had it before; else `default`, where no file names a sandbox; else nobody knows. */
function ownerOfBroken(broken: LoadedPolicy, loaded: readonly LoadedPolicy[], previous: GovernedByName): string | null {
  for (const [name, { policies }] of previous) if (policies.some(({ file }) => file === broken.file)) return name;
  const named = loaded.some(({ spec }) => spec !== null && spec.sandbox !== null);
  return named ? null : DEFAULT_NAME;
}

/** New texts of the sandboxes that can be renewed, old ones of those that are held back; in the order of their names. */
function policiesToUse(
  loaded: readonly LoadedPolicy[],
  held: ReadonlySet<string>,
  previous: GovernedByName,
): readonly PolicySpec[] {
  const renewed = loaded.flatMap(({ spec }) => (spec === null || held.has(ownerOf(spec)) ? [] : [spec]));
  const kept = [...held].flatMap((name) => previous.get(name)?.policies ?? []);
  return [...renewed, ...kept].toSorted((one, other) => (one.file < other.file ? -1 : 1));
}

function ownersOfErrors(findings: readonly Finding[], policies: readonly PolicySpec[]): readonly string[] {
  const files = new Set(findings.flatMap((finding) => (finding.level === 'error' ? [finding.place.file] : [])));
  return policies.filter(({ file }) => files.has(file)).map(ownerOf);
}

/** What was in force together agrees; should it ever not, nobody gets a policy that is in doubt. */
function withoutErrors(sandboxes: readonly SandboxSpec[], findings: readonly Finding[]): readonly SandboxSpec[] {
  const files = new Set(findings.flatMap((finding) => (finding.level === 'error' ? [finding.place.file] : [])));
  return sandboxes.filter((sandbox) => !sandbox.files.some((file) => files.has(file)));
}

function governedOf(
  sandboxes: readonly SandboxSpec[],
  policies: readonly PolicySpec[],
  held: ReadonlySet<string>,
): Map<string, Governed> {
  const policiesByOwner = Map.groupBy(policies, ownerOf);
  return new Map(
    sandboxes.map((spec) => {
      const state = held.has(spec.name) ? 'last-good' : 'current';
      return [spec.name, { spec, state, policies: policiesByOwner.get(spec.name) ?? [] }] as const;
    }),
  );
}

/** Adds the sandboxes that have no policy now: they are denied rather than taken for somebody else. */
function withAbsent(
  governed: Map<string, Governed>,
  held: ReadonlySet<string>,
  previous: GovernedByName,
): Map<string, Governed> {
  const present = [...governed.values()].map(({ spec }) => spec);
  for (const name of held) {
    if (!governed.has(name)) governed.set(name, absent(name, 'unavailable', name === DEFAULT_NAME ? null : []));
  }
  const gone = [...previous.values()].filter(({ spec }) => !governed.has(spec.name) && spec.files.length > 0);
  for (const { spec } of gone.slice(-GONE_MAX)) {
    const match = spec.match?.filter((entry) => !isTaken(entry, present)) ?? null;
    if (match === null || match.length > 0) governed.set(spec.name, absent(spec.name, 'gone', match, spec.files));
  }
  return governed;
}

/** An address or listener that was given to another sandbox since is that one's now. */
function isTaken(entry: MatchSpec, present: readonly SandboxSpec[]): boolean {
  return present.some(({ match }) =>
    (match ?? []).some(
      ({ source, listener }) =>
        (entry.source !== null && source === entry.source) || (entry.listener !== null && listener === entry.listener),
    ),
  );
}

function absent(
  name: string,
  state: SandboxState,
  match: SandboxSpec['match'],
  files: readonly string[] = [],
): Governed {
  const nothing = { secrets: [], rules: [], subnets: { allow: [], deny: [] } };
  const spec = {
    name,
    files,
    hash: '',
    match,
    default: 'deny',
    mode: 'enforce',
    introspect: false,
    ...nothing,
  } as const;
  return { spec, state, policies: [] };
}

function distinct(findings: readonly Finding[]): readonly Finding[] {
  const keyOf = ({ place, path, text }: Finding): string => JSON.stringify([place, path, text]);
  return [...new Map(findings.map((finding) => [keyOf(finding), finding])).values()];
}
