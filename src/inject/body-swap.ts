import { ProxyError } from '../errors.ts';
import { type FieldList, firstValue } from '../headers/field-list.ts';
import type { Vault } from '../secrets/secret.ts';
import { bindingOf, type Place } from './binding.ts';
import { FormParameter } from './form-parameter.ts';
import { JsonMember } from './json-member.ts';
import { type BodyFormat, Opener } from './open.ts';
import type { Plan } from './plan.ts';
import { type TokenIndex, tokenIndexOf } from './tokens.ts';

/** Says in which parameter or member the next character of a body is. */
interface Locator {
  readonly name: string | null;
  read(text: string): void;
}

/** For texts without parts, and where no binding asks for one. */
const NOWHERE: Locator = { name: null, read: () => {} };

const IN_TRAILER: Place = { kind: 'header', name: null, closed: true };

/** What a plan does with the body of a request. */
export type BodyTreatment =
  /** It passes unread. */
  | 'none'
  /** It is searched for placeholders that no rule binds there; its length stays. */
  | 'search'
  /** Placeholders in it are swapped; its length may change. */
  | 'swap';

/**
 * What the plan asks for. Throws `BODY_ENCODED` if placeholders are to be swapped in a body that cannot be read (RFC 9110 section 8.4);
 * nothing is bound in it otherwise, and a compressed body passes unsearched.
 */
export function bodyTreatment(fields: FieldList, plan: Plan): BodyTreatment {
  if (plan.tokens.length === 0) return 'none';
  const swaps = plan.placeholders.some(({ surfaces }) => surfaces.some(({ kind }) => kind === 'body'));
  if (!isEncoded(fields)) return swaps ? 'swap' : 'search';
  if (swaps) throw new ProxyError('BODY_ENCODED', { stage: 'inject', side: 'client' });
  return 'none';
}

const isEncoded = (fields: FieldList): boolean =>
  fields.some(({ lower, value }) => lower === 'content-encoding' && value !== '' && value.toLowerCase() !== 'identity');

/**
 * Swaps the placeholders of one request body as it streams (SEMANTICS.md 7). Bytes that could begin a token are held until it is
 * complete or none, so that a token that may not leave never does, not even in part.
 */
export class BodySwapper {
  readonly #plan: Plan;
  readonly #tokens: TokenIndex;
  readonly #opener: Opener;
  readonly #format: BodyFormat;
  readonly #locator: Locator;
  #held = '';

  /** @param fields of the request, for its Content-Type */
  constructor(fields: FieldList, plan: Plan, vault: Vault) {
    const tokens = tokenIndexOf(plan.tokens);
    if (tokens === null) throw new TypeError('a body is read for tokens although the policy has none');
    this.#plan = plan;
    this.#tokens = tokens;
    this.#opener = new Opener(vault);
    this.#format = formatOf(fields);
    const isNamed = plan.placeholders.some(({ surfaces }) =>
      surfaces.some((surface) => surface.kind === 'body' && surface.name !== null),
    );
    this.#locator = isNamed ? locatorOf(this.#format) : NOWHERE;
  }

  /** Names of the secrets that were put in so far, each once. */
  get injected(): readonly string[] {
    return this.#opener.opened;
  }

  /** What may leave after these bytes: the same object if nothing was swapped or held. Throws `PLACEHOLDER_MISUSE`, `SECRET_UNAVAILABLE`. */
  push(bytes: Buffer): Buffer {
    const text = this.#held + bytes.toString('latin1');
    const before = this.#held.length;
    let out = '';
    let from = 0;
    for (let found = this.#tokens.find(text); found !== null; found = this.#tokens.find(text, from)) {
      out += this.#pass(text.slice(from, found.start)) + this.#replacement(found.token);
      from = found.start + found.token.length;
    }
    const end = this.#tokens.prefixStart(text, from);
    this.#held = text.slice(end);
    const rest = this.#pass(text.slice(from, end));
    if (from === 0 && before === 0) return end === bytes.length ? bytes : bytes.subarray(0, end);
    return Buffer.from(out + rest, 'latin1');
  }

  /** What was held: it began like a token and was none. */
  end(): Buffer {
    const rest = this.#pass(this.#held);
    this.#held = '';
    return Buffer.from(rest, 'latin1');
  }

  /** Trailer fields have no binding (RFC 9110 section 6.5.1: nothing that authenticates stands there): tokens in them are misplaced. */
  trailers(fields: FieldList): FieldList {
    for (const { name, value } of fields) {
      for (const text of [name, value]) {
        const found = this.#tokens.find(text);
        if (found !== null) bindingOf(found.token, IN_TRAILER, this.#plan, this.#tokens);
      }
    }
    return fields;
  }

  #pass(text: string): string {
    this.#locator.read(text);
    return text;
  }

  #replacement(token: string): string {
    const bound = bindingOf(token, { kind: 'body', name: this.#locator.name }, this.#plan, this.#tokens);
    // What the client wrote is what the rest is read by: a secret with a quote in it must not end the string it stands in.
    this.#locator.read(token);
    return bound === null ? token : this.#opener.bodyPiece(bound.value, this.#format);
  }
}

/** By Content-Type (RFC 9110 section 8.3); JSON also by the suffix of RFC 6839 section 3.1. */
function formatOf(fields: FieldList): BodyFormat {
  const [type = ''] = (firstValue(fields, 'content-type') ?? '').split(';');
  const name = type.trim().toLowerCase();
  if (name === 'application/json' || name.endsWith('+json')) return 'json';
  return name === 'application/x-www-form-urlencoded' ? 'form' : 'text';
}

function locatorOf(format: BodyFormat): Locator {
  switch (format) {
    case 'json':
      return new JsonMember();
    case 'form':
      return new FormParameter();
    case 'text':
      return NOWHERE;
  }
}
