import { createHash } from 'node:crypto';
import { hasErrors, type PlaceOf, quote, type Report, type Site } from '../finding.ts';
import type { Finding, PolicySpec, SecretSpec } from '../model.ts';
import { explainPolicyKey } from './later.ts';
import { checkTokens } from './read-placeholders.ts';
import { readRule } from './read-rule.ts';
import { readSandbox } from './read-sandbox.ts';
import { type Binding, checkBindings, type FileBase, readSecret } from './read-secrets.ts';
import { NO_SUBNETS, readSubnets } from './read-subnets.ts';
import type { RuleReading } from './rule-checks.ts';
import { policyFrame, ruleShape, sandboxShape, secretShape, subnetsShape } from './schema.ts';
import { readShape, readShapeLeniently } from './shape.ts';
import { reportUnreachable } from './unreachable.ts';
import { parseYaml } from './yaml.ts';

export interface PolicyReading {
  /** null if the file has an error. */
  readonly spec: PolicySpec | null;
  readonly findings: readonly Finding[];
}

interface Context extends FileBase {
  readonly report: Report;
  readonly placeOf: PlaceOf;
}

/**
 * Reads the text of one policy file and reports everything that is wrong with it, not only the first. Pure: secrets are not looked
 * at, only where they come from.
 * @param file as it shall stand in messages; paths in it are relative to its folder.
 * @param folder what a relative `file` is relative to; the current folder of the process if empty.
 */
export function readPolicy(text: string, file: string, folder = ''): PolicyReading {
  const { value, placeOf, report } = parseYaml(text, file);
  const context: Context = { file, folder, report, placeOf };
  const spec = value === null ? null : readSpec(value, context);
  const findings = report.findings();
  const hash = createHash('sha256').update(text).digest('hex');
  return { spec: spec === null || hasErrors(findings) ? null : { ...spec, hash }, findings };
}

function readSpec(value: unknown, context: Context): Omit<PolicySpec, 'hash'> | null {
  const { report } = context;
  const frame = readShape(value, { schema: policyFrame, path: [], report, explainKey: explainPolicyKey });
  // The parts are judged even if something is wrong around them.
  const parts = frame ?? partsOf(value);
  const secrets = readSecrets(parts.secrets ?? {}, context);
  const rules = readRules(parts.rules ?? [], context);
  const bindings = rules.flatMap(({ spec, secrets: uses }) => uses.map((use): Binding => ({ ...use, rule: spec })));
  checkTokens(rules.flatMap(({ tokens }) => tokens));
  checkBindings(secrets, Object.keys(parts.secrets ?? {}), bindings, { report, path: [] });
  const sandbox = readSandboxPart(parts.sandbox, context);
  const subnets = readSubnetsPart(parts.subnets, context);
  const specs = rules.map(({ spec }) => spec);
  if (frame === undefined || report.failed()) return null;
  reportUnreachable(specs, { report, path: ['rules'] });
  return {
    file: context.file,
    sandbox,
    default: frame.default ?? null,
    mode: frame.mode ?? null,
    introspect: frame.introspect ?? null,
    secrets,
    rules: specs,
    subnets,
  };
}

interface Parts {
  readonly sandbox?: unknown;
  readonly secrets?: Readonly<Record<string, unknown>> | undefined;
  readonly rules?: readonly unknown[] | undefined;
  readonly subnets?: unknown;
}

/** The parts of a file whose frame has errors, as far as they are of the right kind. */
function partsOf(value: unknown): Parts {
  const { sandbox, secrets, rules, subnets }: Record<string, unknown> = { ...Object(value) };
  const isMap = typeof secrets === 'object' && secrets !== null && !Array.isArray(secrets);
  return {
    sandbox,
    secrets: isMap ? Object.fromEntries(Object.entries(secrets)) : {},
    rules: Array.isArray(rules) ? rules : [],
    subnets,
  };
}

function readSecrets(raw: Readonly<Record<string, unknown>>, context: Context): readonly SecretSpec[] {
  const { report, placeOf } = context;
  return Object.entries(raw).flatMap(([name, value]) => {
    const path = ['secrets', name];
    const shaped = readShape(value, { schema: secretShape, path, report, explainKey: explainPolicyKey });
    if (shaped === undefined) return [];
    const spec = readSecret(name, shaped, { report, path }, placeOf(path, 'key'), context);
    return spec === null ? [] : [spec];
  });
}

function readRules(raw: readonly unknown[], { report, placeOf }: Context): readonly RuleReading[] {
  const indexByName = new Map<string, number>();
  return raw.flatMap((value, index) => {
    const site: Site = { report, path: ['rules', index] };
    const shaped = readShapeLeniently(value, {
      schema: ruleShape,
      path: site.path,
      report,
      explainKey: explainPolicyKey,
    });
    if (shaped === undefined) return [];
    const reading = readRule(shaped, site, placeOf(site.path, 'value'));
    checkName(reading.spec.name, index, indexByName, site);
    return [reading];
  });
}

function checkName(name: string | null, index: number, indexByName: Map<string, number>, site: Site): void {
  if (name === null) return;
  const earlier = indexByName.get(name);
  if (earlier === undefined) indexByName.set(name, index);
  else
    site.report.error(
      [...site.path, 'name'],
      `${quote(name)} is the name of rules[${earlier}] too; names are unique in a file`,
    );
}

function readSandboxPart(raw: unknown, context: Context): PolicySpec['sandbox'] {
  const { report, placeOf } = context;
  if (raw === undefined) return null;
  const path = ['sandbox'];
  const shaped = readShape(raw, { schema: sandboxShape, path, report, explainKey: explainPolicyKey });
  return shaped === undefined ? null : readSandbox(shaped, { report, path }, { base: context, placeOf });
}

function readSubnetsPart(raw: unknown, { report, placeOf }: Context): PolicySpec['subnets'] {
  if (raw === undefined) return NO_SUBNETS;
  const path = ['subnets'];
  const shaped = readShape(raw, { schema: subnetsShape, path, report, explainKey: explainPolicyKey });
  return shaped === undefined ? NO_SUBNETS : readSubnets(shaped, { report, path }, placeOf);
}
