import type { CompiledPolicy } from '../policy/compiled.ts';
import { DEFAULT_PORTS } from '../policy/match.ts';
import type { InjectionSpec, RuleSpec, Template } from '../policy/model.ts';
import { SDK_KEYS, type SdkKey } from './sdk-keys.ts';
import type { Variable } from './variables.ts';

/** For a program that insists on a key which a rule adds in any case: it says what it is to whoever finds it in a log. */
export const UNUSED_KEY = 'unused-postern-adds-it';

const PREFIX = 'POSTERN_PLACEHOLDER_';

type Placeholder = InjectionSpec & { readonly kind: 'placeholder' };

/**
 * What a sandbox has in place of its keys: each placeholder of its policy under the name of its secret, and the variables of SDKs whose
 * host the policy has a credential for. Never a secret.
 */
export function keyVariables(policy: CompiledPolicy): readonly Variable[] {
  const valueByName = new Map<string, string>();
  for (const key of SDK_KEYS) {
    const value = valueFor(key, policy);
    // Of two hosts with one variable (GITHUB_TOKEN) the first that has a credential counts.
    if (value !== null) for (const name of key.variables) if (!valueByName.has(name)) valueByName.set(name, value);
  }
  return [...placeholderVariables(policy), ...valueByName];
}

/** A key for the programs of this host: a placeholder that may stand where they send it, else anything if a rule adds the real one. */
function valueFor({ host, fields }: SdkKey, policy: CompiledPolicy): string | null {
  const rules =
    policy
      .rulesFor(host)
      ?.rules.map(({ spec }) => spec)
      .filter(isForSdk) ?? [];
  const injections = rules.flatMap(({ inject }) => inject);
  const placeholder = injections.filter(isPlaceholder).find((each) => fitsIn(each, fields));
  if (placeholder !== undefined) return placeholder.token;
  return injections.some(({ kind }) => kind !== 'placeholder') ? UNUSED_KEY : null;
}

const isForSdk = ({ action, tls, schemes, ports }: RuleSpec): boolean =>
  action === 'allow' &&
  tls === 'intercept' &&
  schemes.includes('https') &&
  (ports === null || ports.includes(DEFAULT_PORTS.https));

const fitsIn = ({ in: surfaces }: Placeholder, fields: readonly string[]): boolean =>
  surfaces.some((surface) => surface.kind === 'header' && (surface.name === null || fields.includes(surface.name)));

/** In the order of the rules; a secret with several tokens has them numbered from the second on. */
function placeholderVariables({ rules }: CompiledPolicy): readonly Variable[] {
  const tokens = new Set<string>();
  const countByName = new Map<string, number>();
  const valueByName = new Map<string, string>();
  for (const { token, value } of rules.flatMap(({ inject }) => inject.filter(isPlaceholder))) {
    if (tokens.has(token)) continue;
    tokens.add(token);
    const name = nameFor(value);
    let count = (countByName.get(name) ?? 0) + 1;
    // A secret may have the very name that a number makes.
    while (valueByName.has(numbered(name, count))) count++;
    countByName.set(name, count);
    valueByName.set(numbered(name, count), token);
  }
  return [...valueByName];
}

const isPlaceholder = (injection: InjectionSpec): injection is Placeholder => injection.kind === 'placeholder';

/** The names of the secrets in the value, as a shell takes them for a variable. */
function nameFor(value: Template): string {
  const secrets = value.flatMap((part) => (typeof part === 'string' ? [] : [part.secret]));
  return PREFIX + secrets.join('_').toUpperCase().replaceAll('-', '_');
}

const numbered = (name: string, count: number): string => (count === 1 ? name : `${name}_${count}`);
