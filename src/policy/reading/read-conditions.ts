import { below, quote, type Site } from '../finding.ts';
import type { ConditionSpec, ValueSpec } from '../model.ts';
import { whyBadField } from './field-names.ts';
import type { RawRule } from './schema.ts';
import { parseDuration } from './units.ts';

type RawConditions = NonNullable<RawRule['query']>;

const VALUE_LENGTH_MAX = 1_024;
const CONTROL = /[\x00-\x1f\x7f]/;

/** Reads `query` of a rule. */
export function readQueryConditions(raw: RawConditions | undefined, site: Site): readonly ConditionSpec[] {
  return Object.entries(raw ?? {}).map(([name, value]) => ({ name, value: readValue(value, below(site, name)) }));
}

/** Reads `headers` of a rule, with names in lower case. */
export function readHeaderConditions(raw: RawConditions | undefined, site: Site): readonly ConditionSpec[] {
  const conditions: ConditionSpec[] = [];
  const seen = new Set<string>();
  for (const [text, value] of Object.entries(raw ?? {})) {
    const at = below(site, text);
    const name = text.toLowerCase();
    const why = whyBadField(text);
    if (why !== null) site.report.error(at.path, `${quote(text)} ${why}, so no condition can ask for it`, 'key');
    else if (seen.has(name))
      site.report.error(at.path, `${quote(text)} is asked for twice; field names have no case`, 'key');
    seen.add(name);
    conditions.push({ name, value: readValue(value, at) });
  }
  return conditions;
}

function readValue(raw: string | { readonly glob: string }, site: Site): ValueSpec {
  const text = typeof raw === 'string' ? raw : raw.glob;
  const at = typeof raw === 'string' ? site : below(site, 'glob');
  if (CONTROL.test(text)) site.report.error(at.path, 'has control characters, which no value that is let through has');
  if (text.length > VALUE_LENGTH_MAX) site.report.error(at.path, `is longer than ${VALUE_LENGTH_MAX} characters`);
  if (typeof raw !== 'string') return { glob: text };
  if (text.includes('*')) {
    site.report.warning(
      at.path,
      `${quote(text)} is compared letter by letter; for a wildcard write { glob: ${quote(text)} }`,
    );
  }
  return { exact: text };
}

/** Reads `ports`; null means the default ones. */
export function readPorts(raw: readonly number[] | undefined, site: Site): readonly number[] | null {
  if (raw === undefined) return null;
  const ports = new Set<number>();
  for (const [index, port] of raw.entries()) {
    const { path } = below(site, index);
    if (port < 1 || port > 65_535) site.report.error(path, `${port} is not a port; write a number from 1 to 65535`);
    else if (ports.has(port)) site.report.warning(path, `${port} is in this list twice; remove one of them`);
    ports.add(port);
  }
  return [...ports];
}

/** Reads a time limit of a rule in milliseconds; null means that of `postern.yaml`. */
export function readDuration(raw: string | undefined, site: Site): number | null {
  if (raw === undefined) return null;
  const reading = parseDuration(raw);
  if (reading.ok) return reading.value;
  site.report.error(site.path, `${quote(raw)} ${reading.why}`);
  return null;
}
