import { fieldText } from '../headers/field-list.ts';
import { formBytes } from './percent.ts';
import type { PlannedPair } from './plan.ts';
import type { Swapper } from './swap.ts';

export interface TargetEdits {
  /** Injected parameters: the client's copies go. */
  readonly parameters: readonly PlannedPair[];
  /** The same as `key=value` pairs joined with `&`, as they leave; empty for none. */
  readonly added: string;
  /** null where the policy has no placeholders. */
  readonly swapper: Swapper | null;
}

/** Applies a plan to a target in origin-form: copies of injected parameters go, placeholders are swapped, ours are added at the end. */
export function editTarget(target: string, { parameters, added, swapper }: TargetEdits): string {
  // `*` has no query (RFC 9112 section 3.2.4), so nothing can be added to it.
  if (target === '*' || (swapper === null && added === '')) return target;
  const mark = target.indexOf('?');
  const path = mark === -1 ? target : target.slice(0, mark);
  const query = mark === -1 ? null : withoutParameters(target.slice(mark + 1), parameters);
  const swappedPath = swapper?.path(path) ?? path;
  const swappedQuery = query === null ? null : (swapper?.query(query) ?? query);
  const whole = withAdded(swappedQuery, added);
  return whole === null ? swappedPath : `${swappedPath}?${whole}`;
}

function withAdded(query: string | null, added: string): string | null {
  if (added === '') return query;
  return query === null || query === '' ? added : `${query}&${added}`;
}

/** The query without the parameters of these names, compared decoded; the other pairs stay byte for byte. */
export function withoutParameters(query: string, parameters: readonly PlannedPair[]): string {
  if (parameters.length === 0) return query;
  const names = new Set(parameters.map(({ name }) => fieldText(name)));
  return query
    .split('&')
    .filter((pair) => !isOneOf(pair, names))
    .join('&');
}

/** Some servers take `;` for `&`: a pair that hides a copy behind one goes as a whole. */
const isOneOf = (pair: string, names: ReadonlySet<string>): boolean =>
  pair.split(';').some((part) => names.has(formBytes(nameOf(part))));

function nameOf(part: string): string {
  const equals = part.indexOf('=');
  return equals === -1 ? part : part.slice(0, equals);
}
