import { hyphened } from '../headers/field-list.ts';
import { whyBadField } from './field-names.ts';
import { below, quote, type Site } from './finding.ts';
import { LATER } from './later.ts';
import type { InjectionSpec, Template } from './model.ts';
import { readSurfaces, readToken, type SurfaceUse, type TokenUse } from './read-placeholders.ts';
import type { RawInjection, RawPlaceholder } from './schema.ts';
import { parseTemplate, type TemplateUse } from './templates.ts';

/** A secret that a value names, and where. */
export interface SecretUse {
  readonly secret: string;
  readonly site: Site;
}

export interface InjectionsReading {
  readonly inject: readonly InjectionSpec[];
  readonly secrets: readonly SecretUse[];
  readonly tokens: readonly TokenUse[];
  readonly placeholders: readonly SurfaceUse[];
}

const NOTHING: InjectionsReading = { inject: [], secrets: [], tokens: [], placeholders: [] };

/** Reads `inject` of a rule and reports what is wrong with it. */
export function readInjections(raw: readonly RawInjection[] | undefined, site: Site): InjectionsReading {
  if (raw === undefined) return NOTHING;
  const inject: InjectionSpec[] = [];
  const found: Found = { secrets: [], tokens: [], placeholders: [] };
  const filled = new Map<string, number>();
  for (const [index, entry] of raw.entries()) {
    const reader = new EntryReader(below(site, index), found);
    const injection = reader.read(entry);
    if (injection === null) continue;
    inject.push(injection);
    const target = targetOf(injection);
    const earlier = [target.key, ...target.alsoFilledBy].flatMap((key) => filled.get(key) ?? [])[0];
    if (earlier === undefined) {
      filled.set(target.key, index);
      // A cookie is part of one field, so it excludes the whole field and not the other cookies.
      if (injection.kind === 'cookie') filled.set('any cookie', index);
    } else {
      reader.refuse(
        injection.kind,
        `puts a second value into ${target.shown}, which inject[${earlier}] fills; keep one of them`,
      );
    }
  }
  return { inject, ...found };
}

/** What the entries of one rule refer to, in their order. */
interface Found {
  readonly secrets: SecretUse[];
  readonly tokens: TokenUse[];
  readonly placeholders: SurfaceUse[];
}

interface Target {
  readonly key: string;
  readonly alsoFilledBy: readonly string[];
  readonly shown: string;
}

/** What an injection fills, so that no other of the rule may: a field (`_` read as `-`), a query parameter or a cookie. */
function targetOf(injection: InjectionSpec): Target {
  switch (injection.kind) {
    case 'bearer':
    case 'basic':
      return { key: 'field authorization', alsoFilledBy: [], shown: 'the field "authorization"' };
    case 'header': {
      const lower = injection.name.toLowerCase();
      const alsoFilledBy = lower === 'cookie' ? ['any cookie'] : [];
      return { key: `field ${hyphened(lower)}`, alsoFilledBy, shown: `the field ${quote(lower)}` };
    }
    case 'query':
      return { key: `query ${injection.name}`, alsoFilledBy: [], shown: `the parameter ${quote(injection.name)}` };
    case 'cookie':
      return {
        key: `cookie ${injection.name}`,
        alsoFilledBy: ['field cookie'],
        shown: `the cookie ${quote(injection.name)}`,
      };
    case 'placeholder':
      return { key: `token ${injection.token}`, alsoFilledBy: [], shown: 'the same token' };
  }
}

const COOKIE_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Reads one entry of `inject`. A class only to carry where it stands and what it collects. */
class EntryReader {
  readonly #site: Site;
  readonly #found: Found;

  constructor(site: Site, found: Found) {
    this.#site = site;
    this.#found = found;
  }

  /** Reports an error at the entry's kind. */
  refuse(key: string, text: string): void {
    this.#site.report.error(below(this.#site, key).path, text, 'key');
  }

  read(raw: RawInjection): InjectionSpec | null {
    const kinds = Object.entries(raw).flatMap(([kind, value]) => (value === undefined ? [] : [kind]));
    const [kind, second] = kinds;
    if (kind === undefined) {
      this.#site.report.error(
        this.#site.path,
        'injects nothing; write one of bearer, basic, header, query, cookie, placeholder',
      );
      return null;
    }
    if (second !== undefined) {
      this.refuse(second, `stands beside "${kind}"; an entry has one kind, so begin another with "- ${second}:"`);
      return null;
    }
    if (raw.bearer !== undefined) return this.#bearer(raw.bearer);
    if (raw.basic !== undefined) return this.#basic(raw.basic);
    if (raw.header !== undefined) return this.#header(raw.header);
    if (raw.query !== undefined) return this.#query(raw.query);
    if (raw.cookie !== undefined) return this.#cookie(raw.cookie);
    return raw.placeholder === undefined ? null : this.#placeholder(raw.placeholder);
  }

  #bearer(raw: string): InjectionSpec {
    return { kind: 'bearer', value: this.#value(raw, 'field', 'bearer') };
  }

  #basic(raw: NonNullable<RawInjection['basic']>): InjectionSpec {
    const username = this.#template(raw.username, 'credentials', 'basic', 'username');
    const password = this.#template(raw.password, 'credentials', 'basic', 'password');
    // RFC 7617 section 2: the first colon ends the user name.
    if (username?.some((piece) => typeof piece === 'string' && piece.includes(':'))) {
      this.#error('has a colon, which ends a user name', 'basic', 'username');
    }
    if (username !== null && password !== null && ![...username, ...password].some(isSecret)) {
      this.#error(NO_SECRET, 'basic', 'password');
    }
    return { kind: 'basic', username: username ?? [], password: password ?? [] };
  }

  #header({ name, value }: NonNullable<RawInjection['header']>): InjectionSpec {
    const why = whyBadField(name);
    if (why !== null) this.#error(`${quote(name)} ${why}`, 'header', 'name');
    return { kind: 'header', name, value: this.#value(value, 'field', 'header', 'value') };
  }

  #query({ name, value }: NonNullable<RawInjection['query']>): InjectionSpec {
    if (name === '') this.#error('is empty; write the name of a parameter', 'query', 'name');
    return { kind: 'query', name, value: this.#value(value, 'query', 'query', 'value') };
  }

  #cookie({ name, value }: NonNullable<RawInjection['cookie']>): InjectionSpec {
    if (!COOKIE_NAME.test(name)) this.#error(`${quote(name)} is not a cookie name`, 'cookie', 'name');
    return { kind: 'cookie', name, value: this.#value(value, 'cookie', 'cookie', 'value') };
  }

  #placeholder(raw: RawPlaceholder): InjectionSpec | null {
    const site = below(this.#site, 'placeholder');
    const token = readToken(raw.token, below(site, 'token'));
    const surfaces = readSurfaces(raw.in, below(site, 'in'));
    this.#found.placeholders.push(...surfaces);
    const value = this.#value(raw.value, 'placeholder', 'placeholder', 'value');
    if (raw.misplaced === 'quarantine') this.#error(`"quarantine" ${LATER}, or write deny`, 'placeholder', 'misplaced');
    const misplaced = raw.misplaced === 'pass' ? 'pass' : 'deny';
    if (token === null) return null;
    this.#found.tokens.push({ token, misplaced, site });
    return { kind: 'placeholder', token, value, in: surfaces.map(({ surface }) => surface), misplaced };
  }

  /** A value that must have a secret in it. */
  #value(text: string, use: TemplateUse, ...steps: readonly string[]): Template {
    const template = this.#template(text, use, ...steps);
    if (template !== null && !template.some(isSecret)) this.#error(NO_SECRET, ...steps);
    return template ?? [];
  }

  /** Null if the text is no template, which is reported. */
  #template(text: string, use: TemplateUse, ...steps: readonly string[]): Template | null {
    const site = below(this.#site, ...steps);
    const reading = parseTemplate(text, use);
    if (!reading.ok) {
      site.report.error(site.path, reading.why);
      return null;
    }
    for (const secret of reading.secrets) this.#found.secrets.push({ secret, site });
    return reading.template;
  }

  #error(text: string, ...steps: readonly string[]): void {
    this.#site.report.error([...this.#site.path, ...steps], text);
  }
}

const isSecret = (piece: Template[number]): boolean => typeof piece !== 'string';

const NO_SECRET = 'has no secret in it; define one under "secrets" and name it here as "${name}"';
