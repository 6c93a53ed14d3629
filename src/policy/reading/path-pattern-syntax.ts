import { below, quote, type Site } from '../finding.ts';
import { readPath } from '../paths.ts';
import type { RawRule } from './schema.ts';

const LENGTH_MAX = 2_048;
const REFUSED = /[?\\()|[\]{}!]/;
/** RFC 3986 section 3.3, without what is refused above and `;`, whose parameters servers read differently. */
const PLAIN = /^[A-Za-z0-9\-._~$&'+,=:@%*/]*$/;

/**
 * Why a pattern is not one (SEMANTICS.md 4), with what to write; null if it is. Patterns are written in the canonical form that
 * paths are compared in, and a pattern that could match only paths that are always refused is an error too.
 */
export function whyBadPathPattern(pattern: string): string | null {
  if (!pattern.startsWith('/')) return 'does not begin with "/"; write e.g. "/v1/**"';
  if (pattern.length > LENGTH_MAX) return `is longer than ${LENGTH_MAX} characters`;
  const refused = REFUSED.exec(pattern)?.[0];
  if (refused === '?') return 'has a "?"; a query is asked for with "query", and one character cannot be left open';
  if (refused !== undefined)
    return `has a "${refused}"; only "*" (within a segment) and "**" (whole segments) are wildcards`;
  if (pattern.includes(';')) return 'has a ";", which servers read in different ways: such a path is always refused';
  if (pattern.includes('#')) return 'has a "#", which no request path has';
  if (!PLAIN.test(pattern)) return `has characters that stand escaped in a path; write ${quote(escaped(pattern))}`;
  return whyBadWildcard(pattern) ?? whyNotCanonical(pattern);
}

function whyBadWildcard(pattern: string): string | null {
  const bad = pattern.split('/').find((segment) => segment.includes('**') && segment !== '**');
  return bad === undefined ? null : 'has a "**" that is not a whole segment; write "*" for a part of one';
}

function whyNotCanonical(pattern: string): string | null {
  const { text, ambiguous } = readPath(pattern);
  if (ambiguous !== null) return `${ambiguous}: such a path is always refused, so the pattern could never match`;
  return text === pattern ? null : `is not in canonical form; write ${quote(text)}`;
}

/** The pattern with everything escaped that a path cannot hold. A lone surrogate has no UTF-8 form and becomes U+FFFD. */
function escaped(pattern: string): string {
  return pattern.toWellFormed().replace(/[^A-Za-z0-9\-._~$&'+,=:@%*/]/gu, (character) => encodeURIComponent(character));
}

/** Reads `paths` of a rule and reports what is wrong with them; null means any path. */
export function readPathPatterns(
  rule: Pick<RawRule, 'paths' | 'encoded_slash' | 'action'>,
  site: Site,
): readonly string[] | null {
  if (rule.paths === undefined) return null;
  // SEMANTICS.md 4: only `encoded_slash` allows a path with %2F, while a deny rule meets it in either reading.
  const takesEncodedSlash = rule.encoded_slash === true || rule.action === 'deny';
  const patterns = new Set<string>();
  for (const [index, pattern] of rule.paths.entries()) {
    const { path } = below(site, index);
    const why = whyBadPathPattern(pattern) ?? (takesEncodedSlash ? null : whyEncodedSlash(pattern));
    if (why !== null) site.report.error(path, `${quote(pattern)} ${why}`);
    else if (patterns.has(pattern))
      site.report.warning(path, `${quote(pattern)} is in this list twice; remove one of them`);
    else patterns.add(pattern);
  }
  return [...patterns];
}

const whyEncodedSlash = (pattern: string): string | null =>
  pattern.includes('%2F') ? 'has a %2F; that needs "encoded_slash: true" on the rule' : null;
