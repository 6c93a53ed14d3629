import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { formatPath, type Path, type Report } from '../finding.ts';
import type { Finding, Place, PolicySpec, SandboxSpec, SecretSpec } from '../model.ts';
import { checkTokens, type TokenUse } from './read-placeholders.ts';

/** The sandbox that everyone is where no file names one. */
const DEFAULT_NAME = 'default';

export interface MergeReading {
  /** null if the files contradict each other. */
  readonly sandbox: SandboxSpec | null;
  readonly findings: readonly Finding[];
}

/**
 * Merges the files without `sandbox` into one policy: rules in the order of the files, everything else together. What two files say
 * differently is an error and never a matter of their order; what only one says holds for all.
 * @param specs in the order of their names; at least one.
 */
export function mergeUnnamed(specs: readonly PolicySpec[]): MergeReading {
  const findings: Finding[] = [];
  const said = <Key extends 'default' | 'mode' | 'introspect'>(key: Key) => agreed(specs, key, findings);
  const hash = createHash('sha256');
  for (const spec of specs) hash.update(spec.hash);
  checkRuleNames(specs, findings);
  checkTokens(specs.flatMap((spec) => tokensOf(spec, findings)));
  const sandbox: SandboxSpec = {
    name: DEFAULT_NAME,
    files: specs.map((spec) => spec.file),
    hash: hash.digest('hex'),
    match: null,
    default: said('default') ?? 'deny',
    mode: said('mode') ?? 'enforce',
    introspect: said('introspect') ?? false,
    secrets: mergeSecrets(specs, findings),
    rules: specs.flatMap((spec) => spec.rules),
    subnets: {
      allow: specs.flatMap((spec) => spec.subnets.allow),
      deny: specs.flatMap((spec) => spec.subnets.deny),
    },
  };
  return { sandbox: findings.length > 0 ? null : sandbox, findings };
}

function agreed<Key extends 'default' | 'mode' | 'introspect'>(
  specs: readonly PolicySpec[],
  key: Key,
  findings: Finding[],
): PolicySpec[Key] | null {
  const [first, ...others] = specs.filter((spec) => spec[key] !== null);
  if (first === undefined) return null;
  for (const other of others) {
    if (other[key] === first[key]) continue;
    const text = `is "${other[key]}" here and "${first[key]}" in ${first.file}; files without "sandbox" are one policy, so say the same`;
    findings.push({ level: 'error', place: { file: other.file, line: 1, column: 1 }, path: key, text });
  }
  return first[key];
}

function mergeSecrets(specs: readonly PolicySpec[], findings: Finding[]): readonly SecretSpec[] {
  const byName = new Map<string, SecretSpec>();
  for (const secret of specs.flatMap((spec) => spec.secrets)) {
    const known = byName.get(secret.name);
    if (known === undefined) byName.set(secret.name, secret);
    else if (!isDeepStrictEqual([known.source, known.hosts], [secret.source, secret.hosts])) {
      const text = `is another secret than the one of this name in ${known.place.file}; rename one, or write both the same`;
      findings.push({ level: 'error', place: secret.place, path: formatPath(['secrets', secret.name]), text });
    }
  }
  return [...byName.values()];
}

/** Names of rules are metric labels and the keys of limits, so one name is one rule of the sandbox. */
function checkRuleNames(specs: readonly PolicySpec[], findings: Finding[]): void {
  const fileByName = new Map<string, string>();
  for (const spec of specs) {
    for (const [index, { name, place }] of spec.rules.entries()) {
      if (name === null) continue;
      const file = fileByName.get(name);
      if (file === undefined) fileByName.set(name, spec.file);
      else {
        const text = `"${name}" is the name of a rule in ${file} too; files without "sandbox" are one policy, so rename one`;
        findings.push({ level: 'error', place, path: formatPath(['rules', index, 'name']), text });
      }
    }
  }
}

function tokensOf(spec: PolicySpec, findings: Finding[]): readonly TokenUse[] {
  return spec.rules.flatMap((rule, index) =>
    rule.inject.flatMap((injection, position) => {
      if (injection.kind !== 'placeholder') return [];
      const site = {
        report: reportAt(rule.place, findings),
        path: ['rules', index, 'inject', position, 'placeholder'],
      };
      return [{ token: injection.token, misplaced: injection.misplaced, site }];
    }),
  );
}

/** A report for what is no longer a file: everything stands at one place. */
function reportAt(place: Place, findings: Finding[]): Report {
  const add = (level: Finding['level'], path: Path, text: string): void => {
    findings.push({ level, place, path: formatPath(path), text });
  };
  return {
    error: (path, text) => add('error', path, text),
    warning: (path, text) => add('warning', path, text),
    errorAt: (at, text) => findings.push({ level: 'error', place: at, path: '', text }),
    failed: () => findings.some((finding) => finding.level === 'error'),
    findings: () => findings,
  };
}
