import type * as z from 'zod/mini';
import { nearest, type Path, quote, type Report } from '../finding.ts';

/** What a key that is not known here means, where that is worth saying ("comes in a later release"); null elsewhere. */
export type ExplainKey = (path: Path) => string | null;

/** What is known of a place that must have a shape. */
export interface ShapeOf<Schema extends z.ZodMiniType> {
  readonly schema: Schema;
  readonly path: Path;
  readonly report: Report;
  readonly explainKey: ExplainKey;
}

/**
 * Checks the shape of a value (keys, types, closed sets of words) and reports everything that is wrong with it; undefined if it is
 * not of the shape. Messages never repeat a text of the file: it might be a secret in the wrong place.
 */
export function readShape<Schema extends z.ZodMiniType>(
  value: unknown,
  of: ShapeOf<Schema>,
): z.output<Schema> | undefined {
  const result = of.schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) reportIssue(issue, value, of);
  return undefined;
}

/**
 * The same for a map whose keys can be judged one by one: what is wrong is reported, and the rest is returned if it is a whole, so
 * that one bad key does not hide what is wrong with the others.
 */
export function readShapeLeniently<Schema extends z.ZodMiniType>(
  value: unknown,
  of: ShapeOf<Schema>,
): z.output<Schema> | undefined {
  const result = of.schema.safeParse(value);
  if (result.success) return result.data;
  let rest = value;
  for (const issue of result.error.issues) {
    reportIssue(issue, value, of);
    const keys = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    for (const path of keys) rest = withoutKey(rest, path);
  }
  return of.schema.safeParse(rest).data;
}

/** The value without the key at the path; of a path into a list, without the key that holds the list. */
function withoutKey(value: unknown, [step, ...rest]: readonly PropertyKey[]): unknown {
  if (typeof step !== 'string' || typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const keepsStep = typeof rest[0] === 'string';
  const entries = Object.entries(value).flatMap(([key, inner]) => {
    if (key !== step) return [[key, inner]];
    return keepsStep ? [[key, withoutKey(inner, rest)]] : [];
  });
  return Object.fromEntries(entries);
}

type Issue = z.core.$ZodIssue;

function reportIssue(issue: Issue, root: unknown, { schema, path, report, explainKey }: ShapeOf<z.ZodMiniType>): void {
  const inner = issue.path.filter((step) => typeof step !== 'symbol');
  const full = [...path, ...inner];
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, inner);
    for (const key of issue.keys) {
      const at = [...full, key];
      report.error(at, explainKey(at) ?? unknownKeyText(key, known), 'key');
    }
    return;
  }
  report.error(full, textOf(issue, valueAt(root, inner)));
}

function unknownKeyText(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  if (near !== null) return `is not a known key; did you mean ${quote(near)}?`;
  return `is not a known key; known here: ${known.join(', ')}`;
}

function textOf(issue: Issue, given: unknown): string {
  // Schemas say in their own words what belongs there; the bare ones are told by their type.
  const wanted = issue.message === DEFAULT_MESSAGE ? wantedBy(issue) : issue.message;
  if (given === undefined) return `is missing; it ${wanted}`;
  if (given === null) return `is empty; it ${wanted}`;
  // A number or a word that YAML takes for one; never a text, so nothing secret is repeated.
  if (wanted === TEXT_WANTED && !isCollection(given)) return `${wanted}; put it in quotes: "${String(given)}"`;
  return wanted;
}

/** The message of zod's small build, which has no texts of its own. */
const DEFAULT_MESSAGE = 'Invalid input';

function wantedBy(issue: Issue): string {
  if (issue.code === 'invalid_value') return `must be ${issue.values.map(String).join(' or ')}`;
  if (issue.code !== 'invalid_type') return 'is not valid';
  return WANTED_BY_TYPE.get(issue.expected) ?? `must be of type ${issue.expected}`;
}

const TEXT_WANTED = 'must be a text';

const WANTED_BY_TYPE: ReadonlyMap<string, string> = new Map([
  ['string', TEXT_WANTED],
  ['int', 'must be a whole number'],
  ['number', 'must be a whole number'],
  ['boolean', 'must be true or false'],
  ['array', 'must be a list'],
  ['object', 'must be a map of keys'],
  ['record', 'must be a map of names'],
]);

const isCollection = (value: unknown): boolean => typeof value === 'object' && value !== null;

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Reflect.get(value, step);
  }
  return value;
}

/** The keys that the schema knows at a path below it. */
function keysAt(schema: z.core.$ZodType, path: Path): readonly string[] {
  const def = schema._zod.def as z.core.$ZodTypes['_zod']['def'];
  const [step, ...rest] = path;
  switch (def.type) {
    case 'optional':
      return keysAt(def.innerType, path);
    case 'object': {
      if (step === undefined) return Object.keys(def.shape);
      const inner = def.shape[String(step)];
      return inner === undefined ? [] : keysAt(inner, rest);
    }
    case 'array':
      return keysAt(def.element, rest);
    case 'record':
      return keysAt(def.valueType, rest);
    case 'union':
      return def.options.flatMap((option) => keysAt(option, path));
    default:
      return [];
  }
}
