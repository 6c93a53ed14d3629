import { dirname, resolve } from 'node:path';
import { below, nearest, quote, type Site } from '../finding.ts';
import type { Place, RuleSpec, SecretSource, SecretSpec } from '../model.ts';
import { covers, readHosts } from './host-patterns.ts';
import type { SecretUse } from './injection-entry.ts';
import type { RawSecret } from './schema.ts';
import { SECRET_NAME } from './templates.ts';

/** Where a file stands, so that paths in it can be made absolute. */
export interface FileBase {
  readonly file: string;
  /** What a relative `file` is relative to. */
  readonly folder: string;
}

const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Reads one secret whose shape is right; null if it has no usable source, which is reported. */
export function readSecret(name: string, raw: RawSecret, site: Site, place: Place, base: FileBase): SecretSpec | null {
  if (!SECRET_NAME.test(name)) {
    const text = `${quote(name)} is not a name for a secret; write letters, digits, "_" and "-", beginning with a letter or "_"`;
    site.report.error(site.path, text, 'key');
  }
  const source = readSource(raw, site, base);
  const hosts = raw.hosts === undefined ? null : readHosts(raw.hosts, below(site, 'hosts')).hosts;
  return source === null ? null : { place, name, source, hosts };
}

/** Reads `{ env }` or `{ file }`: exactly one of them. */
export function readSource(
  raw: { readonly env?: string | undefined; readonly file?: string | undefined },
  site: Site,
  base: FileBase,
): SecretSource | null {
  const { env, file } = raw;
  if (env !== undefined && file !== undefined) {
    site.report.error(
      below(site, 'file').path,
      'stands beside "env"; a secret has one source, so remove one of them',
      'key',
    );
    return null;
  }
  if (env !== undefined) return readVariable(env, below(site, 'env'));
  if (file !== undefined) return readFilePath(file, below(site, 'file'), base);
  site.report.error(site.path, 'has no source; write { env: VARIABLE } or { file: PATH }');
  return null;
}

function readVariable(text: string, site: Site): SecretSource | null {
  if (VARIABLE_NAME.test(text)) return { kind: 'env', variable: text };
  site.report.error(site.path, 'is not the name of an environment variable; write the name alone, e.g. GITHUB_TOKEN');
  return null;
}

function readFilePath(text: string, site: Site, base: FileBase): SecretSource | null {
  const path = absolutePath(text, site, base);
  return path === null ? null : { kind: 'file', path };
}

/** The absolute path of a file that a file names; relative ones start at the folder of the file that names them. */
export function absolutePath(text: string, site: Site, base: FileBase): string | null {
  const why = whyBadPath(text);
  if (why === null) return resolve(base.folder, dirname(base.file), text);
  site.report.error(site.path, why);
  return null;
}

function whyBadPath(text: string): string | null {
  if (text === '') return 'is empty; write the path of a file';
  if (/[\x00-\x1f\x7f]/.test(text)) return 'has control characters, which no path here has';
  if (text.startsWith('~')) return 'begins with "~", which only a shell reads; write the path in full';
  return /^\$|\$\{/.test(text) ? 'has a variable, which only a shell reads; write the path in full' : null;
}

/** A secret and a rule that binds it. */
export interface Binding extends SecretUse {
  readonly rule: RuleSpec;
}

/** Reports secrets that are not defined, are bound outside their hosts, or are not used at all. */
export function checkBindings(
  specs: readonly SecretSpec[],
  names: readonly string[],
  bindings: readonly Binding[],
  root: Site,
): void {
  const specByName = new Map(specs.map((spec) => [spec.name, spec]));
  const defined = new Set(names);
  const used = new Set<string>();
  for (const { secret, site, rule } of bindings) {
    used.add(secret);
    const spec = specByName.get(secret);
    if (spec !== undefined) checkHosts(spec, rule, site);
    else if (!defined.has(secret)) site.report.error(site.path, undefinedText(secret, names));
  }
  if (root.report.failed()) return;
  for (const { name } of specs) {
    if (!used.has(name))
      root.report.warning(['secrets', name], 'is used by no rule; remove it, or name it in an "inject"', 'key');
  }
}

function undefinedText(secret: string, names: readonly string[]): string {
  const near = nearest(secret, names);
  const text = `names the secret ${quote(secret)}, which this file does not define`;
  if (near !== null) return `${text}; did you mean ${quote(near)}?`;
  return `${text}; add it under "secrets", e.g. { ${secret}: { env: ${secret.toUpperCase().replaceAll('-', '_')} } }`;
}

function checkHosts({ name, hosts }: SecretSpec, rule: RuleSpec, site: Site): void {
  if (hosts === null) return;
  const outside = rule.hosts.find((host) => !hosts.some((outer) => covers(outer, host)));
  if (outside === undefined) return;
  const text = `would send the secret ${quote(name)} to ${quote(outside)}, which is not one of its hosts (${hosts.join(', ')})`;
  site.report.error(site.path, `${text}; take the host out of the rule, or add it to secrets.${name}.hosts`);
}
