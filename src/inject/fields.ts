import { type Field, type FieldList, field, hyphened } from '../headers/field-list.ts';
import { withoutCookies } from './cookies.ts';
import type { Additions } from './open.ts';
import type { Plan } from './plan.ts';
import type { Swapper } from './swap.ts';

/**
 * Applies a plan to the fields of a request that are left after hop-by-hop removal: in one pass the fields of the plan's `removed` go
 * and placeholders are swapped; then ours are added, so that nothing a client names can take them away.
 */
export function editFields(fields: FieldList, plan: Plan, additions: Additions, swapper: Swapper | null): FieldList {
  const kept: Field[] = [];
  for (const each of fields) {
    const own = plan.cookies.length > 0 && each.lower === 'cookie' ? ownCookies(each, plan) : each;
    const left = own === null ? null : editField(own, plan, swapper);
    if (left !== null) kept.push(left);
  }
  if (additions.cookies !== '') addCookies(kept, additions.cookies);
  for (const each of additions.fields) kept.push(each);
  return kept;
}

/** The field as it leaves; null if it does not. */
function editField(each: Field, plan: Plan, swapper: Swapper | null): Field | null {
  const name = plan.removed.has(each.lower) ? each.lower : hyphened(each.lower);
  if (!plan.removed.has(name)) return swapper?.field(each) ?? each;
  if (swapper === null || !plan.spared.has(name)) return null;
  // A credential field may leave only as the carrier of a placeholder: then it is not an account of the client's own.
  const swapped = swapper.field(each);
  return swapped === each ? null : swapped;
}

/** The client's `Cookie` line without the cookies that the plan adds; null if nothing is left of it. */
function ownCookies(each: Field, plan: Plan): Field | null {
  const value = withoutCookies(
    each.value,
    plan.cookies.map(({ name }) => name),
  );
  if (value === each.value) return each;
  return value === '' ? null : { ...each, value };
}

/** Adds our cookies to the client's last line, since a request has one `Cookie` line (RFC 6265 section 5.4), or as a new one. */
function addCookies(fields: Field[], cookies: string): void {
  const last = fields.findLastIndex(({ lower }) => lower === 'cookie');
  const line = fields[last];
  if (line === undefined) fields.push(field('Cookie', cookies));
  else fields[last] = { ...line, value: `${line.value}; ${cookies}` };
}
