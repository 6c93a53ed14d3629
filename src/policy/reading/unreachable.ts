import type { Site } from '../finding.ts';
import type { RuleSpec, Scheme } from '../model.ts';
import { covers } from './host-patterns.ts';

/** Broad rules remembered for each host; a policy with more of them for one host is doubtful anyway. */
const BROAD_RULES_PER_HOST_MAX = 8;

interface Earlier {
  readonly rule: RuleSpec;
  readonly index: number;
}

/**
 * Warns of rules that can never decide because earlier ones take everything they name. Sound, not complete: what is reported is
 * unreachable, and a rule that several earlier ones cover only together is not reported. One look-up for each host of a rule, and
 * one for each label of the host, so 100,000 rules stay cheap.
 */
export function reportUnreachable(rules: readonly RuleSpec[], site: Site): void {
  const broadByHost = new Map<string, Earlier[]>();
  const takesEncodedSlashes = rules.some((rule) => rule.encodedSlash);
  for (const [index, rule] of rules.entries()) {
    const by = rule.hosts.map((host) => coveringRule(host, rule, broadByHost, takesEncodedSlashes));
    const [first] = by;
    if (first !== undefined && by.every((each) => each !== undefined)) {
      const earlier = first.rule.name ?? `rules[${first.index}]`;
      site.report.warning(
        [...site.path, index],
        `can never decide: ${earlier} comes first and takes all of it; move it up, or remove it`,
      );
    }
    remember({ rule, index }, broadByHost);
  }
}

function remember(earlier: Earlier, broadByHost: Map<string, Earlier[]>): void {
  if (!isBroad(earlier.rule)) return;
  for (const host of earlier.rule.hosts) {
    const known = broadByHost.get(host);
    if (known === undefined) broadByHost.set(host, [earlier]);
    else if (known.length < BROAD_RULES_PER_HOST_MAX) known.push(earlier);
  }
}

/** Rules that could cover another: without conditions on fields, query or path. Of passthrough ones only name and port count. */
const isBroad = (rule: RuleSpec): boolean =>
  rule.paths === null && rule.query.length === 0 && rule.headers.length === 0;

function coveringRule(
  host: string,
  rule: RuleSpec,
  broadByHost: ReadonlyMap<string, readonly Earlier[]>,
  takesEncodedSlashes: boolean,
): Earlier | undefined {
  for (const key of keysCovering(host)) {
    const found = broadByHost.get(key)?.find((earlier) => takesAll(earlier.rule, rule, takesEncodedSlashes));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Every pattern that covers the host or pattern: itself, and a wildcard for each parent. */
function keysCovering(host: string): readonly string[] {
  const keys = [host];
  for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
    const key = `*${host.slice(dot)}`;
    if (key !== host && covers(key, host)) keys.push(key);
  }
  return keys;
}

/** Whether every request for a host of both that the later rule names is one that the earlier rule takes. */
function takesAll(earlier: RuleSpec, later: RuleSpec, takesEncodedSlashes: boolean): boolean {
  if (!takesPorts(earlier, later)) return false;
  // The tunnel is decided by hosts and ports alone (SEMANTICS.md 1), so the first rule that has them settles how it is read.
  if (later.tls === 'passthrough') return earlier.schemes.includes('https');
  // A passthrough rule takes the tunnel, but no request for http:// that comes without one.
  if (earlier.tls === 'passthrough') return !later.schemes.includes('http');
  if (!later.schemes.every((scheme) => earlier.schemes.includes(scheme))) return false;
  if (earlier.action === 'allow' && takesEncodedSlashes && !earlier.encodedSlash) return false;
  if (earlier.methods === null) return true;
  // A deny rule takes "get" for GET where an allow rule does not (doubt reads against the sandbox), so it may still decide.
  if (later.action === 'deny' || later.methods === null) return false;
  return later.methods.every((method) => earlier.methods?.includes(method));
}

const DEFAULT_PORTS: Readonly<Record<Scheme, number>> = { http: 80, https: 443 };

const takesPorts = (earlier: RuleSpec, later: RuleSpec): boolean => {
  const taken = portsOf(earlier);
  return portsOf(later).every((port) => taken.includes(port));
};

const portsOf = (rule: RuleSpec): readonly number[] =>
  rule.ports ?? rule.schemes.map((scheme) => DEFAULT_PORTS[scheme]);
