import { hyphened } from '../../headers/field-list.ts';
import { below, quote, type Site } from '../finding.ts';
import type { InjectionSpec, RuleSpec, Surface } from '../model.ts';
import type { HostsReading } from './host-patterns.ts';
import { allowsWriting } from './methods.ts';
import type { InjectionsReading } from './read-injections.ts';
import type { RawRule } from './schema.ts';

/** A rule as it was read, with the places of what it refers to. */
export interface RuleReading extends Omit<InjectionsReading, 'inject'> {
  readonly spec: RuleSpec;
  readonly shared: HostsReading['shared'];
}

/** Reports what is wrong or doubtful between the keys of one rule. */
export function checkRule(raw: RawRule, reading: RuleReading, site: Site): void {
  const { spec } = reading;
  if (spec.tls === 'passthrough') checkPassthrough(raw, site);
  else if (spec.action === 'deny') checkKeys(raw, site, DENY);
  checkFields(raw, reading, site);
  if (raw.forward !== undefined && raw.inject !== undefined)
    site.report.error(below(site, 'forward').path, FORWARD_INJECTS, 'key');
  // What was used is counted under the name, so that it is found again after a reload.
  if (raw.limits !== undefined && raw.name === undefined)
    site.report.error(below(site, 'limits').path, 'needs a name to be counted under; give the rule a "name"', 'key');
  if (spec.action === 'allow') checkCaution(raw, reading, site);
}

/** SEMANTICS.md 13: a credential is for the host that its rule names, and would be handed to another one. */
const FORWARD_INJECTS =
  'cannot be on a rule with "inject": what it injects is for the host, and would go to another; remove one of them';

interface Restriction {
  readonly keys: ReadonlySet<string>;
  readonly why: string;
}

/** SEMANTICS.md 1: nothing of a tunnel's content is seen. `tls` is what makes the rule one. */
const PASSTHROUGH: Restriction = {
  keys: new Set(['name', 'hosts', 'ports', 'action', 'tls', 'limits']),
  why: 'cannot be on a rule with "tls: passthrough", which sees only the name and the port; remove it, or intercept',
};

/** Of limits, those that need no look inside (SEMANTICS.md 1). */
const PASSTHROUGH_LIMITS: Restriction = { keys: new Set(['bytes_out', 'concurrency']), why: PASSTHROUGH.why };

/** What a denied request would leave with, or how long it could take, has no meaning. */
const DENY: Restriction = {
  keys: new Set(['name', 'hosts', 'schemes', 'ports', 'methods', 'paths', 'query', 'headers', 'action', 'tls']),
  why: 'has no meaning on a rule with "action: deny", whose requests never leave; remove it',
};

function checkPassthrough(raw: RawRule, site: Site): void {
  checkKeys(raw, site, PASSTHROUGH);
  if (raw.action === 'deny') checkKeys({ limits: raw.limits }, site, DENY);
  else if (raw.limits !== undefined) checkKeys(raw.limits, below(site, 'limits'), PASSTHROUGH_LIMITS);
}

function checkKeys(raw: Readonly<Record<string, unknown>>, site: Site, { keys, why }: Restriction): void {
  for (const [key, value] of Object.entries(raw)) {
    if (value !== undefined && !keys.has(key)) site.report.error(below(site, key).path, why, 'key');
  }
}

/** `strip`, `keep`, injected fields and placeholders' fields against each other, `_` read as `-` (SEMANTICS.md 6). */
function checkFields(raw: RawRule, { spec, placeholders }: RuleReading, site: Site): void {
  const injected = new Set(spec.inject.flatMap(injectedField));
  const stripped = new Set(spec.strip.map(hyphened));
  for (const [index, text] of (raw.keep ?? []).entries()) {
    const name = hyphened(text.toLowerCase());
    const { path } = below(site, 'keep', index);
    if (stripped.has(name)) site.report.error(path, `${quote(text)} is in "strip" too; remove it from one of them`);
    if (!injected.has(name)) continue;
    site.report.error(path, `${quote(text)} is what this rule injects, and the client's own always goes; remove it`);
  }
  if (raw.keep !== undefined && raw.inject === undefined) {
    site.report.warning(
      below(site, 'keep').path,
      'has no effect: a rule that injects nothing lets credentials of the client pass',
    );
  }
  for (const { surface, site: at } of placeholders) {
    const why = whyNeverSwapped(surface, { injected, stripped, inject: spec.inject });
    if (why !== null) at.report.error(at.path, `${why} before placeholders are looked for; remove one of them`);
  }
}

const injectedField = (injection: InjectionSpec): readonly string[] => {
  if (injection.kind === 'bearer' || injection.kind === 'basic') return ['authorization'];
  return injection.kind === 'header' ? [hyphened(injection.name.toLowerCase())] : [];
};

interface Removed {
  readonly injected: ReadonlySet<string>;
  readonly stripped: ReadonlySet<string>;
  readonly inject: readonly InjectionSpec[];
}

/** Fields and parameters of the client's that go first cannot hold a placeholder any more. */
function whyNeverSwapped(surface: Surface, { injected, stripped, inject }: Removed): string | null {
  if (surface.kind === 'header' && surface.name !== null) {
    const name = hyphened(surface.name);
    if (stripped.has(name)) return `the field ${quote(surface.name)} is in "strip" and so removed`;
    if (injected.has(name)) return `the field ${quote(surface.name)} is injected, so the client's own is removed`;
  }
  if (surface.kind === 'query' && inject.some((each) => each.kind === 'query' && each.name === surface.name)) {
    return `the parameter ${quote(surface.name ?? '')} is injected, so the client's own is removed`;
  }
  return null;
}

/** What is allowed but should be meant: where a credential could go further than its author thinks. */
function checkCaution(raw: RawRule, { spec, shared, placeholders }: RuleReading, site: Site): void {
  const { report } = site;
  const scheme = raw.schemes?.indexOf('http') ?? -1;
  if (scheme !== -1 && spec.inject.length > 0) {
    report.warning(
      below(site, 'schemes', scheme).path,
      'sends a credential in clear text; leave "http" out unless the network is yours',
    );
  }
  for (const { pattern, index } of shared) {
    const who = `${quote(pattern)} covers names that anyone can have`;
    const text = spec.inject.length > 0 ? `${who}, and each of them would be sent the credential` : who;
    report.warning(below(site, 'hosts', index).path, `${text}; name the hosts that you mean`);
  }
  if (!allowsWriting(spec.methods)) return;
  for (const { surface, site: at } of placeholders) {
    if (surface.kind !== 'path' && surface.name !== null) continue;
    const advice = surface.kind === 'path' ? '' : `write "${surface.kind}:NAME", or `;
    report.warning(
      at.path,
      `lets the client choose where the host stores the secret; ${advice}allow only GET and HEAD`,
    );
  }
}
