import { ProxyError } from '../errors.ts';
import { type Field, field, fieldText } from '../headers/field-list.ts';
import type { Template } from '../policy/model.ts';
import { type Needles, needlesOf } from '../scrub/needles.ts';
import { Secret, type Vault } from '../secrets/secret.ts';
import { percentEncoded } from './percent.ts';
import type { Plan, PlannedField, PlannedPair } from './plan.ts';

/**
 * The only file that opens secrets (a test reads the sources for it). It turns templates into text for one place in a request, and
 * fails with `SECRET_UNAVAILABLE` where the text cannot stand there.
 */

/** What a plan adds to every request, in the form in which it leaves. */
export interface Additions {
  readonly fields: readonly Field[];
  /** `key=value` pairs joined with `&`; empty for none. */
  readonly query: string;
  /** `name=value` pairs joined with `; `; empty for none. */
  readonly cookies: string;
  /** Names of the secrets in them, each once. */
  readonly secrets: readonly string[];
}

/** What was opened from one vault. It goes with the vault, whoever keeps the plans: a value that was rotated away must not stay. */
interface Opened {
  readonly additionsByPlan: Map<Plan, Additions>;
  /** By the names of the secrets: one list a host. */
  readonly needlesByNames: Map<readonly string[], Needles | null>;
}

const openedByVault = new WeakMap<Vault, Opened>();

function openedFrom(vault: Vault): Opened {
  const known = openedByVault.get(vault);
  if (known !== undefined) return known;
  const opened: Opened = { additionsByPlan: new Map(), needlesByNames: new Map() };
  openedByVault.set(vault, opened);
  return opened;
}

/** What a plan adds, opened from this vault: made once, not once a request. Throws `SECRET_UNAVAILABLE` if one of its secrets could not be had. */
export function additionsOf(plan: Plan, vault: Vault): Additions {
  const { additionsByPlan } = openedFrom(vault);
  const known = additionsByPlan.get(plan);
  if (known !== undefined) return known;
  const additions = openAdditions(plan, vault);
  additionsByPlan.set(plan, additions);
  return additions;
}

/** The secrets that the plan masks in the answer, ready to be looked for; null if there are none. Made once for a host and vault. */
export function needlesFor({ masked }: Plan, vault: Vault): Needles | null {
  if (masked.length === 0) return null;
  const { needlesByNames } = openedFrom(vault);
  const known = needlesByNames.get(masked);
  if (known !== undefined) return known;
  const values = masked.flatMap((name) => {
    const secret = vault.get(name);
    return secret instanceof Secret ? [secret.open()] : [];
  });
  const needles = needlesOf(values);
  needlesByNames.set(masked, needles);
  return needles;
}

/** RFC 7617: the value of `Proxy-Authorization` for the parent proxy. Throws `SECRET_UNAVAILABLE` if the password could not be had. */
export function parentCredentials(username: string, password: Secret | { readonly unavailable: string }): string {
  if (!(password instanceof Secret)) throw unavailable('The password for the parent proxy is not available.');
  return `Basic ${Buffer.from(`${username}:${password.open()}`, 'utf8').toString('base64')}`;
}

function openAdditions(plan: Plan, vault: Vault): Additions {
  const opener = new Opener(vault);
  const fields = plan.fields.map((planned) => field(planned.name, opener.fieldValue(planned.value)));
  const query = plan.query.map((pair) => opener.parameter(pair)).join('&');
  const cookies = plan.cookies.map((pair) => opener.cookie(pair)).join('; ');
  return { fields, query, cookies, secrets: opener.opened };
}

/** How the text of a body is escaped. */
export type BodyFormat = 'json' | 'form' | 'text';

/** Opens templates of one request, and remembers which secrets went in. */
export class Opener {
  readonly #vault: Vault;
  readonly #names: string[] = [];

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  /** Names of the secrets that were opened so far, each once. */
  get opened(): readonly string[] {
    return this.#names;
  }

  /** A whole field value. */
  fieldValue(value: PlannedField['value']): string {
    if ('username' in value) return `Basic ${this.#basic(value.username, value.password)}`;
    return this.fieldPiece(value);
  }

  /** A value, or part of one, as the bytes of a field. A line break would end the field and begin one of its own. */
  fieldPiece(template: Template): string {
    const text = fieldText(this.#text(template));
    if (ENDS_FIELD.test(text)) throw unusable(template, 'holds a line break or NUL');
    return text;
  }

  /** A value, or part of one, inside `Basic` credentials: bytes, in latin1. They are coded in base64 afterwards, so any will do. */
  basicPiece(template: Template): string {
    return fieldText(this.#text(template));
  }

  /** A value, or part of one, in a path or query. */
  targetPiece(template: Template): string {
    return percentEncoded(this.#text(template));
  }

  /** A value, or part of one, in a body: bytes, in latin1, escaped so that it cannot end what it stands in. */
  bodyPiece(template: Template, format: BodyFormat): string {
    const text = this.#text(template);
    if (format === 'form') return percentEncoded(text);
    return fieldText(format === 'json' ? JSON.stringify(text).slice(1, -1) : text);
  }

  parameter({ name, value }: PlannedPair): string {
    return `${percentEncoded(name)}=${this.targetPiece(value)}`;
  }

  cookie({ name, value }: PlannedPair): string {
    const text = this.fieldPiece(value);
    if (text.includes(';')) throw unusable(value, 'holds a ";", at which a cookie ends');
    return `${name}=${text}`;
  }

  /** RFC 7617: the user ends at the first colon. */
  #basic(username: Template, password: Template): string {
    const user = this.#text(username);
    if (user.includes(':')) throw unusable(username, 'holds a colon, at which the user of Basic ends');
    return Buffer.from(`${user}:${this.#text(password)}`, 'utf8').toString('base64');
  }

  #text(template: Template): string {
    let text = '';
    for (const piece of template) text += typeof piece === 'string' ? piece : this.#open(piece.secret);
    return text;
  }

  #open(name: string): string {
    const secret = this.#vault.get(name);
    if (secret === undefined) throw unavailable(`The secret "${name}" is not there.`);
    if ('unavailable' in secret) throw unavailable(`The secret "${name}" is not available.`);
    if (!this.#names.includes(name)) this.#names.push(name);
    return secret.open();
  }
}

const ENDS_FIELD = /[\r\n\0]/;

/** The reason of a secret's absence is for the operator's log; a sandbox learns the name only. */
const unavailable = (reason: string): ProxyError =>
  new ProxyError('SECRET_UNAVAILABLE', { stage: 'inject', side: 'proxy', reason });

function unusable(template: Template, why: string): ProxyError {
  const names = template.flatMap((piece) => (typeof piece === 'string' ? [] : [`"${piece.secret}"`]));
  return unavailable(`The value with the secret ${names.join(', ')} ${why}.`);
}
