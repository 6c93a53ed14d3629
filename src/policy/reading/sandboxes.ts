import { createHash } from 'node:crypto';
import type { Finding, Place, PolicySpec, SandboxSpec } from '../model.ts';
import { mergeUnnamed } from './merge.ts';

export interface SandboxesReading {
  /** In the order of their names; without those that have an error. */
  readonly sandboxes: readonly SandboxSpec[];
  readonly findings: readonly Finding[];
}

/**
 * Makes sandboxes of policy files (SEMANTICS.md 9): files with `sandbox` are one each, files without it are merged in the order of
 * their names into `default`. Where two files contradict each other both are reported, and neither is in `sandboxes`: a file that
 * claims another's address must not win because of its name.
 */
export function groupSandboxes(specs: readonly PolicySpec[]): SandboxesReading {
  const ordered = specs.toSorted((one, other) => (one.file < other.file ? -1 : 1));
  const named = ordered.filter((spec) => spec.sandbox !== null);
  const unnamed = ordered.filter((spec) => spec.sandbox === null);
  const findings = [...mixture(named, unnamed), ...sharedNames(named), ...sharedEvidence(named)];
  const bad = new Set(findings.map((finding) => finding.place.file));
  const sandboxes = named.flatMap((spec) => (bad.has(spec.file) ? [] : [ofNamed(spec)]));
  const mergeable = unnamed.filter((spec) => !bad.has(spec.file));
  if (mergeable.length > 0) {
    const merged = mergeUnnamed(mergeable);
    findings.push(...merged.findings);
    if (merged.sandbox !== null) sandboxes.push(merged.sandbox);
  }
  return { sandboxes: sandboxes.toSorted((one, other) => (one.name < other.name ? -1 : 1)), findings };
}

function ofNamed(spec: PolicySpec): SandboxSpec {
  return {
    name: spec.sandbox?.name ?? '',
    files: [spec.file],
    hash: createHash('sha256').update(spec.hash).digest('hex'),
    match: spec.sandbox?.match ?? null,
    default: spec.default ?? 'deny',
    mode: spec.mode ?? 'enforce',
    introspect: spec.introspect ?? false,
    secrets: spec.secrets,
    rules: spec.rules,
    subnets: spec.subnets,
  };
}

/** Files with and without `sandbox` in one folder: the few are reported and the many stay in force; of as many, all are reported. */
function mixture(named: readonly PolicySpec[], unnamed: readonly PolicySpec[]): readonly Finding[] {
  if (named.length === 0 || unnamed.length === 0) return [];
  const findings: Finding[] = [];
  if (unnamed.length <= named.length) {
    const text = `has no "sandbox", but ${named[0]?.file} beside it has one; name a sandbox in each file of a folder, or in none`;
    findings.push(...unnamed.map((spec) => errorAt(topOf(spec), '', text)));
  }
  if (named.length <= unnamed.length) {
    const text = `names a sandbox, but ${unnamed[0]?.file} beside it has none; name a sandbox in each file of a folder, or in none`;
    findings.push(...named.map((spec) => errorAt(topOf(spec), 'sandbox', text)));
  }
  return findings;
}

function sharedNames(named: readonly PolicySpec[]): readonly Finding[] {
  const claims = named.map((spec) => ({ key: spec.sandbox?.name ?? '', place: topOf(spec), path: 'sandbox.name' }));
  return contested(claims, (key) => `the sandbox "${key}"`);
}

/** One block, listener or `any` in two files: a client there would be two sandboxes. */
function sharedEvidence(named: readonly PolicySpec[]): readonly Finding[] {
  const claims = named.flatMap((spec) =>
    (spec.sandbox?.match ?? []).flatMap(({ place, source, listener, any }, index) => {
      const path = `sandbox.match[${index}]`;
      const claim = (key: string, step: string): Claim => ({ key, place, path: `${path}.${step}` });
      return [
        ...(source === null ? [] : [claim(`the address block ${source}`, 'source')]),
        ...(listener === null ? [] : [claim(`the listener ${listener}`, 'listener')]),
        ...(any ? [claim('everyone else', 'any')] : []),
      ];
    }),
  );
  return contested(claims, (key) => key);
}

interface Claim {
  readonly key: string;
  readonly place: Place;
  readonly path: string;
}

/** Reports what more than one file claims, at each place where it is claimed. */
function contested(claims: readonly Claim[], shown: (key: string) => string): readonly Finding[] {
  const byKey = Map.groupBy(claims, (claim) => claim.key);
  return [...byKey].flatMap(([key, sharing]) => {
    const files = new Set(sharing.map((claim) => claim.place.file));
    if (files.size < 2) return [];
    return sharing.map((claim) => {
      const other = [...files].find((file) => file !== claim.place.file);
      return errorAt(claim.place, claim.path, `claims ${shown(key)}, as ${other} does; only one file may`);
    });
  });
}

const topOf = (spec: PolicySpec): Place => ({ file: spec.file, line: 1, column: 1 });

const errorAt = (place: Place, path: string, text: string): Finding => ({ level: 'error', place, path, text });
