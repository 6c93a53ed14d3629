import { below, quote, type Site } from '../finding.ts';
import type { Place, RuleSpec } from '../model.ts';
import { readFieldNames } from './field-names.ts';
import { readHosts } from './host-patterns.ts';
import { readMethods } from './methods.ts';
import { readPathPatterns } from './path-pattern-syntax.ts';
import { readDuration, readHeaderConditions, readPorts, readQueryConditions } from './read-conditions.ts';
import { readForward } from './read-forward.ts';
import { readInjections } from './read-injections.ts';
import { readLimits } from './read-rule-limits.ts';
import { checkRule, type RuleReading } from './rule-checks.ts';
import type { RawRule } from './schema.ts';

/** Names stand in answers, the audit log and metrics. Without a colon, so that none looks like the `file:line` of a nameless rule. */
const RULE_NAME = /^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,63}$/;

/** Reads one rule whose shape is right, and reports what is wrong with it. */
export function readRule(raw: RawRule, site: Site, place: Place): RuleReading {
  const { hosts, shared } = readHosts(raw.hosts, below(site, 'hosts'));
  const { inject, ...found } = readInjections(raw.inject, below(site, 'inject'));
  const spec: RuleSpec = {
    place,
    name: readName(raw.name, below(site, 'name')),
    hosts,
    schemes: raw.schemes === undefined ? ['https'] : [...new Set(raw.schemes)],
    ports: readPorts(raw.ports, below(site, 'ports')),
    methods: raw.methods === undefined ? null : readMethods(raw.methods, below(site, 'methods')),
    paths: readPathPatterns(raw, below(site, 'paths')),
    encodedSlash: raw.encoded_slash ?? false,
    query: readQueryConditions(raw.query, below(site, 'query')),
    headers: readHeaderConditions(raw.headers, below(site, 'headers')),
    action: raw.action ?? 'allow',
    tls: raw.tls ?? 'intercept',
    websocket: raw.websocket ?? true,
    via: raw.via ?? false,
    strip: readFieldNames(raw.strip ?? [], below(site, 'strip')),
    keep: readFieldNames(raw.keep ?? [], below(site, 'keep')),
    inject,
    scrub: raw.scrub ?? true,
    forward: readForward(raw.forward, below(site, 'forward')),
    responseHeadMs: readDuration(raw.response_head, below(site, 'response_head')),
    idleMs: readDuration(raw.idle, below(site, 'idle')),
    limits: raw.limits === undefined ? null : readLimits(raw.limits, below(site, 'limits')),
  };
  const reading = { spec, shared, ...found };
  checkRule(raw, reading, site);
  return reading;
}

function readName(raw: string | undefined, site: Site): string | null {
  if (raw === undefined || RULE_NAME.test(raw)) return raw ?? null;
  const text = `${quote(raw)} is not a name; write at most 64 letters, digits, spaces and . _ / -, beginning with a letter or digit`;
  site.report.error(site.path, text);
  return null;
}
