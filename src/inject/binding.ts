import { ProxyError } from '../errors.ts';
import type { Surface } from '../policy/model.ts';
import type { BoundPlaceholder, Plan } from './plan.ts';
import type { TokenIndex } from './tokens.ts';

/**
 * Where a token was found. `name` is null where only a binding without a name reaches: outside fields that can be swapped, parameters
 * and members; `closed` where none does: a field name, or a field that says where the message goes.
 */
export type Place =
  | { readonly kind: 'header' | 'query' | 'body'; readonly name: string | null; readonly closed?: true }
  | { readonly kind: 'path' };

/** A placeholder where no rule binds it. `quarantines`: its policy wants the whole sandbox stopped (SEMANTICS.md 7). */
export class Misuse extends ProxyError {
  readonly quarantines: boolean;

  constructor(token: string, place: Place, quarantines: boolean) {
    const reason = `The placeholder ${token} was found ${TEXT_BY_PLACE[place.kind]}, where it is not bound.`;
    super('PLACEHOLDER_MISUSE', { stage: 'inject', side: 'client', reason });
    this.quarantines = quarantines;
  }
}

const TEXT_BY_PLACE: Readonly<Record<Place['kind'], string>> = {
  header: 'in a field',
  query: 'in the query',
  path: 'in the path',
  body: 'in the body',
};

/** The binding of a token in this place; null if it may leave as it is. Throws `PLACEHOLDER_MISUSE` if it may not. */
export function bindingOf(token: string, place: Place, plan: Plan, tokens: TokenIndex): BoundPlaceholder | null {
  const bound = plan.placeholders.find(
    (each) => each.token === token && each.surfaces.some((surface) => reaches(surface, place)),
  );
  if (bound !== undefined) return bound;
  const misplaced = tokens.misplaced(token);
  if (misplaced === 'pass') return null;
  throw new Misuse(token, place, misplaced === 'quarantine');
}

function reaches(surface: Surface, place: Place): boolean {
  if (surface.kind === 'path' || place.kind === 'path') return surface.kind === place.kind;
  if (surface.kind !== place.kind || place.closed === true) return false;
  return surface.name === null || surface.name === place.name;
}
