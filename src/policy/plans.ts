import { fieldText, hyphened } from '../headers/field-list.ts';
import type { BoundPlaceholder, KnownToken, Plan, PlannedField, PlannedPair } from '../inject/plan.ts';
import type { InjectionSpec, RuleSpec, Surface, Template } from './model.ts';
import { NONE, Shared } from './shared.ts';

/** What is true of a host as a whole and so of every plan for it. */
export interface HostTraits {
  /** Some rule of the host has `methods`, `paths` or `forward`. */
  readonly hasMethodsOrPaths: boolean;
  /** Fields that any rule of the host puts a credential in, `_` read as `-`, sorted. */
  readonly credentialFields: readonly string[];
  /** Names of the secrets that rules of the host bind, each once; equal lists are one object. */
  readonly secrets: readonly string[];
}

/** Fields by which a client would have another method or path judged than the upstream acts on. */
const OVERRIDE_FIELDS = [
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-url',
  'x-rewrite-url',
] as const;

/** Fields that usually carry a credential (SEMANTICS.md 6): on a rule that injects, a client's own would be another account. */
export const CREDENTIAL_FIELDS: readonly string[] = [
  'authorization',
  'cookie',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
  'x-auth-token',
  'private-token',
];

/** Makes plans of one policy. Equal sets are made once, since thousands of rules tend to remove the same few fields. */
export class PlanMaker {
  readonly #tokens: readonly KnownToken[];
  readonly #sets = new Shared<ReadonlySet<string>>();
  readonly #lists = new Shared<readonly string[]>();
  /** For what passes without a rule: nothing is added. */
  readonly bare: Plan;
  /** The same on a host that is judged by method or path: override fields still go. */
  readonly #bareWithoutOverrides: Plan;

  constructor(tokens: readonly KnownToken[]) {
    this.#tokens = tokens;
    this.bare = this.#plan(NOTHING);
    this.#bareWithoutOverrides = this.#plan({ ...NOTHING, removed: this.#set(OVERRIDE_FIELDS) });
  }

  /** What a rule changes on a host with these traits. */
  forRule(rule: RuleSpec, traits: HostTraits): Plan {
    const { fields, query, cookies, placeholders } = sortInjections(rule.inject);
    const always = [...rule.strip, ...fields.map((each) => each.name.toLowerCase())].map(hyphened);
    const overrides = traits.hasMethodsOrPaths ? OVERRIDE_FIELDS : [];
    const spared = rule.inject.length === 0 ? [] : sparedFields(rule, traits, always, cookies.length > 0);
    return this.#plan({
      removed: this.#set([...always, ...overrides, ...spared]),
      spared: this.#set(spared),
      fields,
      query,
      cookies,
      placeholders,
      secrets: secretsOf(rule.inject),
      masked: rule.scrub ? traits.secrets : NONE,
      via: rule.via,
    });
  }

  /** Equal lists made one: what is made of a list of secrets is made once for all hosts that it is bound to. */
  sharedNames(names: readonly string[]): readonly string[] {
    return this.#lists.of(names.join(), () => names);
  }

  /** For what passes on a host with these traits without a rule. */
  bareFor({ hasMethodsOrPaths, secrets }: HostTraits): Plan {
    const bare = hasMethodsOrPaths ? this.#bareWithoutOverrides : this.bare;
    return secrets.length === 0 ? bare : { ...bare, masked: secrets };
  }

  #plan(parts: Omit<Plan, 'tokens' | 'empty'>): Plan {
    const tokens = this.#tokens;
    const added = parts.fields.length + parts.query.length + parts.cookies.length + parts.placeholders.length;
    return { ...parts, tokens, empty: parts.removed.size + added + tokens.length === 0 && !parts.via };
  }

  #set(names: readonly string[]): ReadonlySet<string> {
    return this.#sets.of(names.join(), () => new Set(names));
  }
}

const NOTHING: Omit<Plan, 'tokens' | 'empty'> = {
  removed: new Set(),
  spared: new Set(),
  fields: NONE,
  query: NONE,
  cookies: NONE,
  placeholders: NONE,
  secrets: NONE,
  masked: NONE,
  via: false,
};

/** Credential fields that go unless a placeholder was swapped in them. A rule that adds a cookie leaves the client's other cookies. */
function sparedFields(
  rule: RuleSpec,
  traits: HostTraits,
  always: readonly string[],
  addsCookie: boolean,
): readonly string[] {
  const kept = new Set([...always, ...rule.keep.map(hyphened), ...(addsCookie ? ['cookie'] : [])]);
  return [...CREDENTIAL_FIELDS, ...traits.credentialFields].filter((name) => !kept.has(name));
}

function sortInjections(inject: readonly InjectionSpec[]): Pick<Plan, 'fields' | 'query' | 'cookies' | 'placeholders'> {
  const fields: PlannedField[] = [];
  const query: PlannedPair[] = [];
  const cookies: PlannedPair[] = [];
  const placeholders: BoundPlaceholder[] = [];
  for (const each of inject) {
    if (each.kind === 'placeholder')
      placeholders.push({ token: each.token, value: each.value, surfaces: each.in.map(asCompared) });
    else if (each.kind === 'query') query.push({ name: each.name, value: each.value });
    else if (each.kind === 'cookie') cookies.push({ name: each.name, value: each.value });
    else fields.push(plannedField(each));
  }
  return {
    fields: orNone(fields),
    query: orNone(query),
    cookies: orNone(cookies),
    placeholders: orNone(placeholders),
  };
}

const orNone = <T>(list: readonly T[]): readonly T[] => (list.length === 0 ? NONE : list);

/** A surface with its name as names of requests are compared: fields in lower case, parameters and members as bytes. */
function asCompared(surface: Surface): Surface {
  if (surface.kind === 'path' || surface.name === null) return surface;
  return { ...surface, name: surface.kind === 'header' ? surface.name.toLowerCase() : fieldText(surface.name) };
}

type FieldInjection = Extract<InjectionSpec, { kind: 'bearer' | 'basic' | 'header' }>;

function plannedField(injection: FieldInjection): PlannedField {
  switch (injection.kind) {
    case 'bearer':
      return { name: 'Authorization', value: ['Bearer ', ...injection.value] };
    case 'basic':
      return { name: 'Authorization', value: { username: injection.username, password: injection.password } };
    case 'header':
      return { name: injection.name, value: injection.value };
  }
}

/** The fields that an injection of this kind puts a credential in, `_` read as `-`. */
export function credentialFieldsOf(injection: InjectionSpec): readonly string[] {
  switch (injection.kind) {
    case 'bearer':
    case 'basic':
      return ['authorization'];
    case 'header':
      return [hyphened(injection.name.toLowerCase())];
    case 'placeholder':
      return injection.in.flatMap((surface) =>
        surface.kind === 'header' && surface.name !== null ? [hyphened(surface.name.toLowerCase())] : [],
      );
    case 'query':
    case 'cookie':
      return [];
  }
}

/** The names of the secrets that injections use, each once, in their order. */
export function secretsOf(inject: readonly InjectionSpec[]): readonly string[] {
  const names = inject.flatMap(templatesOf).flatMap((template) => template.flatMap(nameOf));
  return [...new Set(names)];
}

const templatesOf = (injection: InjectionSpec): readonly Template[] =>
  injection.kind === 'basic' ? [injection.username, injection.password] : [injection.value];

const nameOf = (piece: Template[number]): readonly string[] => (typeof piece === 'string' ? [] : [piece.secret]);
