import type { SecretSource } from '../policy/model.ts';
import { Secret } from './secret.ts';
import { readSecretFile } from './secret-file.ts';

/** A secret's value, or why there is none: an entry of a `Vault`. */
export type Resolved = Secret | { readonly unavailable: string };

export interface Reading {
  readonly resolved: Resolved;
  /** A doubt about where it came from, for the log. */
  readonly warning: string | null;
}

/** Reads run at most this many at a time: a thousand sandboxes must not take every thread and descriptor. */
const READS_AT_ONCE = 16;

/** One text for each place that a secret can come from, so that sandboxes that share it share the reading. */
export const sourceKey = (source: SecretSource): string =>
  source.kind === 'env' ? `env ${source.variable}` : `file ${source.path}`;

/**
 * Reads every distinct source once, all anew. The values stay inside `Secret`; reasons and warnings never hold one. `environment` is the
 * process's at its start: a variable is read once, rotation needs a file (SEMANTICS.md 10).
 */
export async function readSources(
  sources: Iterable<SecretSource>,
  environment: Readonly<Record<string, string | undefined>>,
  strictFiles: boolean,
): Promise<ReadonlyMap<string, Reading>> {
  const sourceByKey = new Map([...sources].map((source) => [sourceKey(source), source] as const));
  const readings = new Map<string, Reading>();
  const waiting = sourceByKey.entries();
  const readRest = async (): Promise<void> => {
    for (const [key, source] of waiting) readings.set(key, await readSource(source, environment, strictFiles));
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, readRest));
  return readings;
}

/** Whether two readings are the same value, or unavailable for the same reason: then nothing needs to change. */
export function isSame(one: Resolved, other: Resolved): boolean {
  if (one instanceof Secret) return other instanceof Secret && one.equals(other);
  return !(other instanceof Secret) && one.unavailable === other.unavailable;
}

async function readSource(
  source: SecretSource,
  environment: Readonly<Record<string, string | undefined>>,
  strictFiles: boolean,
): Promise<Reading> {
  if (source.kind === 'env') {
    const value = environment[source.variable];
    if (value === undefined) return unavailable(`the environment variable ${source.variable} is not set`);
    return { resolved: secretOf(source, value, `the environment variable ${source.variable}`), warning: null };
  }
  const reading = await readSecretFile(source.path, strictFiles);
  if (!reading.ok) return unavailable(reading.why);
  return { resolved: secretOf(source, reading.text, 'the file'), warning: reading.warning };
}

const unavailable = (why: string): Reading => ({ resolved: { unavailable: why }, warning: null });

/** SEMANTICS.md 6: a final newline is dropped; what could end a field line, or is nothing at all, is no secret. */
function secretOf(source: SecretSource, raw: string, where: string): Resolved {
  const value = raw.replace(/\r?\n$/, '');
  if (value === '') return { unavailable: `${where} is empty` };
  if (/[\r\n\0]/.test(value)) return { unavailable: `${where} holds a line break or NUL inside the value` };
  return new Secret(source.kind === 'env' ? source.variable : source.path, value);
}
