import type { Finding, MatchSpec, Place, SecretSpec } from '../policy/model.ts';
import { Secret, type Vault } from './secret.ts';
import { type Reading, sourceKey } from './sources.ts';

type Readings = ReadonlyMap<string, Reading>;

const NEVER_READ: Reading = { resolved: { unavailable: 'it was not read' }, warning: null };

/** The vault of one sandbox: each of its secrets by the name its policy gives it. */
export function vaultOf(secrets: readonly SecretSpec[], readings: Readings): Vault {
  return new Map(
    secrets.map(({ name, source }) => {
      const { resolved } = readingOf(source, readings);
      return [name, resolved instanceof Secret ? resolved.named(name) : resolved] as const;
    }),
  );
}

/**
 * What is wrong or doubtful about the secrets of a sandbox, at the place that names each. Never more than a warning: a secret that
 * cannot be had blocks no generation, and answers 503 where it is needed (SEMANTICS.md 10).
 */
export function secretFindings(secrets: readonly SecretSpec[], readings: Readings): readonly Finding[] {
  return secrets.flatMap(({ name, place, source }) =>
    findingAbout(readingOf(source, readings), place, `secrets.${name}`, `secret "${name}" is not available`),
  );
}

/** The same about the tokens that identify a sandbox: without its token, nobody is let in by it. */
export function tokenFindings(match: readonly MatchSpec[], readings: Readings): readonly Finding[] {
  return match.flatMap(({ token, place }, index) => {
    if (token === null) return [];
    return findingAbout(
      readingOf(token, readings),
      place,
      `sandbox.match[${index}].token`,
      'the token is not available',
    );
  });
}

/** A warning if a value is not there or its file is doubtful; else nothing. */
export function findingAbout(reading: Reading, place: Place, path: string, missing: string): readonly Finding[] {
  const { resolved, warning } = reading;
  const text = resolved instanceof Secret ? warning : `${missing}: ${resolved.unavailable}`;
  return text === null ? [] : [{ level: 'warning', place, path, text }];
}

export const readingOf = (source: SecretSpec['source'], readings: Readings): Reading =>
  readings.get(sourceKey(source)) ?? NEVER_READ;
