import type { Finding, MatchSpec, Place, SandboxSpec, SecretSpec } from '../policy/model.ts';
import { secretsOf } from '../policy/plans.ts';
import { SCRUB_BYTES_MIN } from '../scrub/forms.ts';
import { Secret, type Vault } from './secret.ts';
import { type Reading, sourceKey } from './sources.ts';

type Readings = ReadonlyMap<string, Reading>;

const NEVER_READ: Reading = { resolved: { unavailable: 'it was not read' }, warning: null };

/** The part of a sandbox that says which secrets it has and what for. */
type Owner = Pick<SandboxSpec, 'secrets' | 'rules'>;

/** The vault of one sandbox: each of its secrets by the name its policy gives it. */
export function vaultOf(owner: Owner, readings: Readings): Vault {
  return new Map(
    owner.secrets.map((secret) => {
      const { resolved } = readingFor(secret, owner, readings);
      return [secret.name, resolved instanceof Secret ? resolved.named(secret.name) : resolved] as const;
    }),
  );
}

/**
 * What is wrong or doubtful about the secrets of a sandbox, at the place that names each. Never more than a warning: a secret that
 * cannot be had blocks no generation, and answers 503 where it is needed (SEMANTICS.md 10).
 */
export function secretFindings(owner: Owner, readings: Readings): readonly Finding[] {
  return owner.secrets.flatMap((secret) => {
    const { name, place } = secret;
    const reading = readingFor(secret, owner, readings);
    return findingAbout(reading, place, `secrets.${name}`, `secret "${name}" is not available`);
  });
}

/** A value that is too short to be told from other text cannot be masked: it is not sent where its echo would have to be. */
function readingFor({ name, source }: SecretSpec, { rules }: Owner, readings: Readings): Reading {
  const reading = readingOf(source, readings);
  const { resolved } = reading;
  if (!(resolved instanceof Secret) || resolved.byteLength >= SCRUB_BYTES_MIN) return reading;
  const isMasked = rules.some(({ scrub, inject }) => scrub && secretsOf(inject).includes(name));
  return isMasked ? { resolved: { unavailable: TOO_SHORT }, warning: null } : reading;
}

const TOO_SHORT =
  `it has fewer than ${SCRUB_BYTES_MIN} bytes, too few to be masked where an answer echoes it; ` +
  'use a longer value, or write "scrub: false" in the rules that bind it';

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
