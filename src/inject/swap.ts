import type { Field } from '../headers/field-list.ts';
import { bindingOf, type Place } from './binding.ts';
import type { Opener } from './open.ts';
import { formBytes, spelled } from './percent.ts';
import type { BoundPlaceholder, Plan } from './plan.ts';
import type { TokenIndex } from './tokens.ts';

/** Fields of routing, framing and protocol: swapping there would part what was judged from what is sent (contract promise 4). */
const NEVER_SWAPPED: ReadonlySet<string> = new Set(['host', 'content-length', 'expect']);
const CLOSED: Place = { kind: 'header', name: null, closed: true };

/**
 * Swaps the placeholders of one request for what its rule binds them to (SEMANTICS.md 7). Each text is read from left to right, and
 * what was put in is not read again. A token that the rule does not bind in that place is refused or left, as it says.
 */
export class Swapper {
  readonly #plan: Plan;
  readonly #tokens: TokenIndex;
  readonly #opener: Opener;

  constructor(plan: Plan, tokens: TokenIndex, opener: Opener) {
    this.#plan = plan;
    this.#tokens = tokens;
    this.#opener = opener;
  }

  /** The field with its placeholders swapped; the same object if there was none. */
  field(field: Field): Field {
    // A name is never bound: this only refuses.
    this.#swap(field.name, CLOSED, ({ token }) => token);
    const place: Place = NEVER_SWAPPED.has(field.lower) ? CLOSED : { kind: 'header', name: field.lower };
    const value = this.#fieldValue(field.value, place);
    return value === field.value ? field : { ...field, value };
  }

  #fieldValue(value: string, place: Place): string {
    const swapped = this.#swap(value, place, (bound) => this.#opener.fieldPiece(bound.value));
    // Only the client's own base64 is looked into: what was put in is never read again.
    return swapped === value && BASIC.test(value) ? this.#basic(value, place) : swapped;
  }

  path(path: string): string {
    return this.#swapSpelled(path, { kind: 'path' });
  }

  /** Each pair is read on its own, since a binding may name the parameter. */
  query(query: string): string {
    if (this.#tokens.find(spelled(query).plain) === null) return query;
    return query
      .split('&')
      .map((pair) => this.#pair(pair))
      .join('&');
  }

  #pair(pair: string): string {
    const equals = pair.indexOf('=');
    const name = equals === -1 ? pair : pair.slice(0, equals);
    const swappedName = this.#swapSpelled(name, { kind: 'query', name: null });
    if (equals === -1) return swappedName;
    return `${swappedName}=${this.#swapSpelled(pair.slice(equals + 1), { kind: 'query', name: formBytes(name) })}`;
  }

  /** Clients that know only user and password put the placeholder inside base64 (git, registries). */
  #basic(value: string, place: Place): string {
    const decoded = Buffer.from(value.slice('basic '.length), 'base64').toString('latin1');
    const swapped = this.#swap(decoded, place, (bound) => this.#opener.basicPiece(bound.value));
    return swapped === decoded ? value : `Basic ${Buffer.from(swapped, 'latin1').toString('base64')}`;
  }

  #swapSpelled(text: string, place: Place): string {
    const { plain, originOf } = spelled(text);
    let swapped = '';
    let from = 0;
    for (let found = this.#tokens.find(plain); found !== null; found = this.#tokens.find(plain, from)) {
      const bound = bindingOf(found.token, place, this.#plan, this.#tokens);
      const [start, end] = [found.start, found.start + found.token.length];
      swapped += text.slice(originOf(from), originOf(start));
      swapped += bound === null ? text.slice(originOf(start), originOf(end)) : this.#opener.targetPiece(bound.value);
      from = end;
    }
    return from === 0 ? text : swapped + text.slice(originOf(from));
  }

  #swap(text: string, place: Place, replacement: (bound: BoundPlaceholder) => string): string {
    let swapped = '';
    let from = 0;
    for (let found = this.#tokens.find(text); found !== null; found = this.#tokens.find(text, from)) {
      const bound = bindingOf(found.token, place, this.#plan, this.#tokens);
      swapped += text.slice(from, found.start) + (bound === null ? found.token : replacement(bound));
      from = found.start + found.token.length;
    }
    return from === 0 ? text : swapped + text.slice(from);
  }
}

const BASIC = /^basic /i;
