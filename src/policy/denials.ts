import type { CompiledRule, HostRules } from './compiled.ts';
import type { Denial, RequestFacts } from './decision.ts';
import { methodTruth, pathTruth, portHolds, type Reading } from './match.ts';
import type { Step } from './steps.ts';

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
  const allowing = rules.filter(({ spec }) => spec.action === 'allow');
  const reason = `No rule allows anything on ${shown(host)}:${port}${nearest([allowing, rules])}.`;
  return withHint(
    'HOST_DENIED',
    reason,
    allowing.length === 0 ? undefined : `Allowed on this host: ${originsOf(allowing)}.`,
  );
}

/** No rule of the host held; `step` is the furthest that any of them reached. */
export function noRuleHeld(step: Step, host: HostRules, reading: Reading): Denial {
  const { facts } = reading;
  const where = `${facts.scheme}://${shown(facts.host)}:${facts.port}`;
  const allowing = host.rules.filter(({ spec }) => spec.action === 'allow' && spec.tls === 'intercept');
  const onPort = allowing.filter(
    ({ spec }) => spec.schemes.includes(facts.scheme) && portHolds(spec, facts.scheme, facts.port),
  );
  const ofMethod = onPort.filter((rule) => methodTruth(rule.methods, facts.method) === 'yes');
  const ofPath = ofMethod.filter((rule) => pathTruth(rule, reading.path) === 'yes');
  const reason = REASON_BY_STEP[step](where, shown(facts.method), nearest([ofPath, ofMethod, onPort, allowing]));
  if (ofPath.length > 0) return withHint(step, reason, hintOfConditions(ofPath));
  if (ofMethod.length > 0)
    return withHint(step, reason, `Paths that ${shown(facts.method)} may have here: ${pathsOf(ofMethod)}.`);
  if (onPort.length > 0) return withHint(step, reason, `Methods that are allowed here: ${methodsOf(onPort)}.`);
  return withHint(step, reason, allowing.length === 0 ? undefined : `Allowed on this host: ${originsOf(allowing)}.`);
}

const REASON_BY_STEP: Readonly<Record<Step, (where: string, method: string, rule: string) => string>> = {
  HOST_DENIED: (where, _method, rule) => `No rule allows ${where}${rule}.`,
  METHOD_DENIED: (where, method, rule) => `No rule allows ${method} on ${where}${rule}.`,
  PATH_DENIED: (where, method, rule) => `No rule allows ${method} with this path on ${where}${rule}.`,
  RULE_DENIED: (where, method, rule) => `No rule allows ${method} with this query and these fields on ${where}${rule}.`,
};

/** The first rule of the list that came furthest, named so that an operator knows where to look. */
function nearest(lists: readonly (readonly CompiledRule[])[]): string {
  const rule = lists.find((list) => list.length > 0)?.[0];
  return rule === undefined ? '' : `; the nearest is ${quoted(rule.label)}`;
}

const withHint = (code: Step, reason: string, hint: string | undefined): Denial =>
  hint === undefined ? { code, rule: null, reason } : { code, rule: null, reason, hint };

function hintOfConditions(rules: readonly CompiledRule[]): string {
  const names = rules.flatMap(({ query, headers }) => [
    ...query.map(({ name }) => `query ${quoted(name)}`),
    ...headers.map(({ name }) => `field ${quoted(name)}`),
  ]);
  return `The rules here look at: ${listed(names)}. Send each once, with an allowed value.`;
}

const pathsOf = (rules: readonly CompiledRule[]): string => listed(rules.flatMap(({ spec }) => spec.paths ?? ['any']));

const methodsOf = (rules: readonly CompiledRule[]): string =>
  listed(rules.flatMap(({ spec }) => spec.methods ?? ['any but TRACE']));

const originsOf = (rules: readonly CompiledRule[]): string =>
  listed(rules.flatMap(({ spec }) => spec.schemes.flatMap((scheme) => originOf(scheme, spec.ports))));

const originOf = (scheme: string, ports: readonly number[] | null): readonly string[] =>
  ports === null ? [scheme] : ports.map((port) => `${scheme} on port ${port}`);

const LISTED_MAX = 6;
const SHOWN_LENGTH_MAX = 100;

/** A short list, each item once. */
export function listed(items: readonly string[]): string {
  const distinct = [...new Set(items)];
  const first = distinct.slice(0, LISTED_MAX).map(shown).join(', ');
  return distinct.length > LISTED_MAX ? `${first} and ${distinct.length - LISTED_MAX} more` : first;
}

/** Text of a peer or a file as it may stand in a sentence: printable ASCII, and not longer than helps. */
export function shown(text: string): string {
  const printable = text.slice(0, SHOWN_LENGTH_MAX).replaceAll(/[^\x20-\x7e]/g, '?');
  return text.length > SHOWN_LENGTH_MAX ? `${printable}...` : printable;
}

const quoted = (text: string): string => `"${shown(text)}"`;
