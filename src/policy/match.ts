import { type FieldList, hyphened } from '../headers/field-list.ts';
import type { CompiledRule, HostRules } from './compiled.ts';
import type { RequestFacts } from './decision.ts';
import type { RuleSpec, Scheme } from './model.ts';
import { pathMatches } from './path-patterns.ts';
import { type PathReading, readPath } from './paths.ts';
import { type QueryReading, queryTruth, readQuery } from './query.ts';
import { type Truth, type ValueCondition, valueHolds } from './value.ts';

/** The conditions of a rule in the order in which they are asked, the host (which is looked up) aside. */
export const CONDITIONS = ['scheme', 'port', 'method', 'path', 'query', 'headers'] as const;
export type ConditionName = (typeof CONDITIONS)[number];

/** One request as the rules of its host see it. The query is read when a rule asks for it, and once. */
export class Reading {
  readonly facts: RequestFacts;
  /** null where no rule of the host has `paths`: then any valid path will do, and nothing reads it. */
  readonly path: PathReading | null;
  #query: QueryReading | null = null;

  constructor(facts: RequestFacts, host: HostRules) {
    this.facts = facts;
    this.path = host.hasPaths ? readPath(facts.path) : null;
  }

  get query(): QueryReading {
    this.#query ??= readQuery(this.facts.query);
    return this.#query;
  }
}

/** The first condition of the rule that the request does not meet; null if it meets all. */
export function firstUnmet(rule: CompiledRule, reading: Reading): ConditionName | null {
  const deny = rule.spec.action === 'deny';
  const { facts } = reading;
  if (!rule.spec.schemes.includes(facts.scheme)) return 'scheme';
  if (!portHolds(rule.spec, facts.scheme, facts.port)) return 'port';
  if (!meets(methodTruth(rule.methods, facts.method), deny)) return 'method';
  if (!meets(pathTruth(rule, reading.path), deny)) return 'path';
  if (!rule.query.every((condition) => meets(queryTruth(condition, reading.query), deny))) return 'query';
  if (!rule.headers.every((condition) => meets(headerTruth(condition, facts.fields), deny))) return 'headers';
  return null;
}

/** Doubt reads against the sandbox: it is enough for a deny rule and too little for an allow rule (contract promise 3). */
const meets = (truth: Truth, deny: boolean): boolean => truth === 'yes' || (deny && truth === 'doubt');

export const DEFAULT_PORTS: Readonly<Record<Scheme, number>> = { http: 80, https: 443 };

/** Whether the rule holds for a scheme on a port: without `ports`, each scheme only on its own. */
export const portHolds = (spec: RuleSpec, scheme: Scheme, port: number): boolean =>
  spec.ports === null ? port === DEFAULT_PORTS[scheme] : spec.ports.includes(port);

/** Methods are case-sensitive (RFC 9110 section 9.1), but some servers fold them: `delete` is in doubt where a rule names DELETE. */
export function methodTruth(methods: ReadonlySet<string> | null, method: string): Truth {
  if (methods === null || methods.has(method)) return 'yes';
  return methods.has(method.toUpperCase()) ? 'doubt' : 'no';
}

/**
 * `path` is null on a host without `paths`. An ambiguous path never comes here: it was refused before. What only a server would match
 * that decodes before it routes is in doubt.
 */
export function pathTruth(rule: CompiledRule, path: PathReading | null): Truth {
  if (path === null) return 'yes';
  const deny = rule.spec.action === 'deny';
  if (path.encodedSlash && !deny && !rule.spec.encodedSlash) return 'no';
  if (rule.paths === null || pathMatches(rule.paths, path.text)) return 'yes';
  if (!deny || path.decoded === path.text) return 'no';
  return pathMatches(rule.paths, path.decoded) || pathMatches(rule.paths, path.bare) ? 'doubt' : 'no';
}

/**
 * What a header condition makes of the fields. Two lines of one name are in doubt, and so is a line whose name differs only in
 * `_` and `-`, since many servers hand both to the application under one name.
 */
export function headerTruth(condition: ValueCondition, fields: FieldList): Truth {
  const alike = hyphened(condition.name);
  let value: string | null = null;
  for (const each of fields) {
    if (hyphened(each.lower) !== alike) continue;
    if (value !== null || each.lower !== condition.name) return 'doubt';
    value = each.value;
  }
  if (value === null) return 'no';
  return valueHolds(condition, value) ? 'yes' : 'no';
}
