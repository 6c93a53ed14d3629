import type { CompiledPolicy, CompiledRule } from './compiled.ts';
import type { Denial, RequestFacts } from './decision.ts';
import { OWN_NAME } from './reserved.ts';
import type { Nearest, Step } from './steps.ts';

/**
 * The words of denials. They are built only once a request is refused, from the policy and from canonical, bounded parts of the
 * request: whatever a client sent is cut and kept printable, since it stands in logs, in reason phrases and before models.
 */

/** TRACE and CONNECT. */
export const methodNever = (facts: RequestFacts): Denial => ({
  code: 'METHOD_DENIED',
  rule: null,
  reason: `${shown(facts.method)} is never allowed through this proxy.`,
  hint: 'Use another method; for a tunnel send CONNECT to the proxy itself, once.',
});

/** `problem` is a predicate of `readPath`: "has a dot segment". */
export const pathAmbiguous = (problem: string): Denial => ({
  code: 'PATH_AMBIGUOUS',
  rule: null,
  reason: `The path ${problem}, which servers read in different ways.`,
});

export const hostUnnamed = (host: string): Denial => ({
  code: 'HOST_DENIED',
  rule: null,
  reason: `No rule names ${shown(host)}.`,
});

/** The proxy's own name, or one below it: nothing is there at all, or nothing at this place. */
export const hostReserved = (host: string, { introspect }: CompiledPolicy): Denial => ({
  code: 'HOST_DENIED',
  rule: null,
  reason: `${shown(host)} is the proxy's own name, and nothing is served there.`,
  hint: introspect
    ? `Ask for http://${OWN_NAME}/ on its default port, without TLS.`
    : 'Ask for "introspect: true" in the policy.',
});

export const addressUnnamed = (host: string): Denial => ({
  code: 'ADDRESS_DENIED',
  rule: null,
  reason: `The address ${shown(host)} is named by no rule.`,
  hint: 'Use the name of the host instead of its address.',
});

/** `subnets.deny` holds the address. */
export const addressInDenied = (host: string, block: string): Denial => ({
  code: 'ADDRESS_DENIED',
  rule: null,
  reason: `The address ${shown(host)} lies in ${block}, which "subnets.deny" refuses.`,
});

export const deniedByRule = (rule: CompiledRule, host: string): Denial => ({
  code: 'RULE_DENIED',
  rule,
  reason: `The rule ${quoted(rule.label)} denies this on ${shown(host)}.`,
});

export const upgradeRefused = (rule: CompiledRule): Denial => ({
  code: 'PROTOCOL_DENIED',
  rule,
  reason: `The rule ${quoted(rule.label)} refuses WebSocket upgrades.`,
  hint: 'Use plain HTTP requests on this host.',
});

/** Some rule names the host, and none allows anything on this port. */
export function nothingOnPort(rules: readonly CompiledRule[], host: string, port: number): Denial {
  const allowing = rules.filter(({ spec }) => spec.action === 'allow').slice(0, LISTED_MAX + 1);
  const reason = `No rule allows anything on ${shown(host)}:${port}${nearestText(allowing)}.`;
  return withHint('HOST_DENIED', reason, allowing);
}

/** No rule of the host held. */
export function noRuleHeld({ step, rules }: Nearest, facts: RequestFacts): Denial {
  const where = `${facts.scheme}://${shown(facts.host)}:${facts.port}`;
  const reason = `No rule allows ${WHAT_BY_STEP[step](shown(facts.method), where)}${nearestText(rules)}.`;
  return withHint(step, reason, rules);
}

const WHAT_BY_STEP: Readonly<Record<Step, (method: string, where: string) => string>> = {
  HOST_DENIED: (_method, where) => where,
  METHOD_DENIED: (method, where) => `${method} on ${where}`,
  PATH_DENIED: (method, where) => `${method} with this path on ${where}`,
  RULE_DENIED: (method, where) => `${method} with this query and these fields on ${where}`,
};

/** What the rules that stopped at a step would have taken there. */
const HINT_BY_STEP: Readonly<Record<Step, (rules: readonly CompiledRule[]) => string>> = {
  HOST_DENIED: (rules) => `Allowed on this host: ${listed(rules.flatMap(originsOf))}.`,
  METHOD_DENIED: (rules) =>
    `Methods that are allowed here: ${listed(rules.flatMap(({ spec }) => spec.methods ?? []))}.`,
  PATH_DENIED: (rules) => `Paths that are allowed with this method: ${listed(rules.flatMap(pathsOf))}.`,
  RULE_DENIED: (rules) =>
    `The rules here look at: ${listed(rules.flatMap(conditionsOf))}. Send each once, with an allowed value.`,
};

function withHint(code: Step, reason: string, rules: readonly CompiledRule[]): Denial {
  if (rules.length === 0) return { code, rule: null, reason };
  return { code, rule: null, reason, hint: HINT_BY_STEP[code](rules) };
}

/** The first of the rules that came furthest, named so that an operator knows where to look. */
const nearestText = ([rule]: readonly CompiledRule[]): string =>
  rule === undefined ? '' : `; the nearest is ${quoted(rule.label)}`;

const originsOf = ({ spec }: CompiledRule): readonly string[] =>
  spec.schemes.flatMap((scheme) => spec.ports?.map((port) => `${scheme} on port ${port}`) ?? [scheme]);

/** A rule without `paths` stops at a path only because a slash in it is encoded. */
const pathsOf = ({ spec }: CompiledRule): readonly string[] => spec.paths ?? ['any without an encoded slash'];

const conditionsOf = ({ query, headers }: CompiledRule): readonly string[] => [
  ...query.map(({ name }) => `query ${quoted(name)}`),
  ...headers.map(({ name }) => `field ${quoted(name)}`),
];

const LISTED_MAX = 6;
const SHOWN_LENGTH_MAX = 100;

/** A short list, each item once. */
function listed(items: readonly string[]): string {
  const distinct = new Set<string>();
  for (const item of items) {
    if (distinct.size === LISTED_MAX && !distinct.has(item)) return `${[...distinct].join(', ')} and more`;
    distinct.add(shown(item));
  }
  return [...distinct].join(', ');
}

/** Text of a peer or a file as it may stand in a sentence: printable ASCII, and not longer than helps. */
export function shown(text: string): string {
  const printable = text.slice(0, SHOWN_LENGTH_MAX).replaceAll(/[^\x20-\x7e]/g, '?');
  return text.length > SHOWN_LENGTH_MAX ? `${printable}...` : printable;
}

const quoted = (text: string): string => `"${shown(text)}"`;
