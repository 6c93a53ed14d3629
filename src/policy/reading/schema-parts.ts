import * as z from 'zod/mini';

/** Pieces that the schemas of policies and of postern.yaml are made of. Descriptions are for editors (`postern schema`). */

/** The schema with a description; a copy, since one schema may stand in several places that are described differently. */
export function described<Schema extends z.ZodMiniType>(schema: Schema, description: string): Schema {
  const copy = schema.clone();
  z.globalRegistry.add(copy, { description });
  return copy;
}

export const text = (description: string) => z.optional(described(z.string(), description));

export const flag = (description: string) => z.optional(described(z.boolean(), description));

/** A list that has at least one entry: an empty one could be meant as "none" or as "any". */
export const list = <Item extends z.ZodMiniType>(item: Item, wanted: string, description: string) =>
  described(z.array(item, { error: wanted }).check(z.minLength(1, { error: `is empty; it ${wanted}` })), description);

export const duration = (description: string) =>
  z.optional(described(z.string({ error: 'must be a duration with its unit, e.g. 30s or 10m' }), description));

export const size = (description: string) =>
  z.optional(described(z.string({ error: 'must be a size with its unit, e.g. 64KiB' }), description));

export const rate = (description: string, example: string) =>
  z.optional(described(z.string({ error: `must be a rate, e.g. ${example}` }), description));

/** Where a token is found. */
export const tokenShape = z.strictObject(
  { env: text('The environment variable that holds it'), file: text('The file that holds it') },
  { error: 'must be { env: VARIABLE } or { file: PATH }' },
);
