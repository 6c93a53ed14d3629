import { below, quote, type Site } from '../finding.ts';
import type { InjectionSpec, Template } from '../model.ts';
import { whyBadField } from './field-names.ts';
import { readSurfaces, readToken, type SurfaceUse, type TokenUse } from './read-placeholders.ts';
import type { RawInjection, RawPlaceholder } from './schema.ts';
import { parseTemplate, type TemplateUse } from './templates.ts';

/** A secret that a value names, and where. */
export interface SecretUse {
  readonly secret: string;
  readonly site: Site;
}

/** What the entries of one rule refer to, in their order. */
export interface Found {
  readonly secrets: SecretUse[];
  readonly tokens: TokenUse[];
  readonly placeholders: SurfaceUse[];
}

const COOKIE_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Reads one entry of `inject`. A class only to carry where it stands and what it collects. */
export class EntryReader {
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
    const misplaced = raw.misplaced ?? 'deny';
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
