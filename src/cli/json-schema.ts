import * as z from 'zod/mini';
import { policyShape } from '../policy/reading/schema.ts';
import { settingsShape } from '../runtime/settings-schema.ts';

const SHAPES = {
  config: { title: 'postern.yaml', shape: settingsShape },
  policy: { title: 'Postern policy', shape: policyShape },
} as const;

/**
 * JSON Schema (2020-12) of postern.yaml or of a policy file, for editors. It knows keys, types and closed sets of words; what values
 * mean (hosts, paths, secrets) only `postern check` can say.
 */
export function schemaOf(kind: keyof typeof SHAPES): Readonly<Record<string, unknown>> {
  const { title, shape } = SHAPES[kind];
  const { $schema, ...rest } = z.toJSONSchema(shape, { target: 'draft-2020-12' });
  return { $schema, title, ...rest };
}
