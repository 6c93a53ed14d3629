import { compileGlob, type Glob, globMatches } from './glob.ts';
import type { RuleSpec } from './model.ts';
import { readPath, routed } from './paths.ts';

/**
 * The `paths` of one rule. `*` is at least one character where it is a whole segment, any run within one, never a `/`;
 * `**` is any number of whole segments, also none. Everything else stands for itself.
 */
export interface PathSet {
  /** Patterns without a star, which a rule may have many of; null without any. */
  readonly exact: ReadonlySet<string> | null;
  readonly patterns: readonly PathPattern[];
}

export type PathPattern =
  /** `/a/**`: `base` itself and all below it. */
  | { readonly kind: 'below'; readonly base: string }
  | { readonly kind: 'segments'; readonly elements: readonly Element[] };

/** What one segment of the path must be; `deep` stands for any number of them. */
export type Element =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'glob'; readonly glob: Glob }
  | { readonly kind: 'some' }
  | { readonly kind: 'deep' };

/**
 * Compiles the patterns of a rule, in the spelling of the paths that they are compared with (`*` is not an escape and stays). A deny
 * rule gets the reading of servers that decode before they route as well: it has to meet a path in either.
 */
export function compilePaths(patterns: readonly string[], action: RuleSpec['action']): PathSet {
  const canonical = patterns.map((pattern) => readPath(pattern).text);
  const spelled = [...new Set(action === 'deny' ? [...canonical, ...canonical.map(routed)] : canonical)];
  const plain = spelled.filter((pattern) => !pattern.includes('*'));
  const exact = plain.length === 0 ? null : new Set(plain);
  return { exact, patterns: spelled.filter((pattern) => pattern.includes('*')).map(compilePattern) };
}

function compilePattern(pattern: string): PathPattern {
  const base = pattern.endsWith('/**') ? pattern.slice(0, -3) : null;
  if (base !== null && !base.includes('*')) return { kind: 'below', base };
  return { kind: 'segments', elements: segmentsOf(pattern).map(compileElement) };
}

function compileElement(text: string): Element {
  if (text === '**') return { kind: 'deep' };
  if (text === '*') return { kind: 'some' };
  return text.includes('*') ? { kind: 'glob', glob: compileGlob(text) } : { kind: 'text', text };
}

/** The segments of a path that begins with a slash; a final slash makes a last, empty one. */
export const segmentsOf = (path: string): readonly string[] => path.slice(1).split('/');

/** Whether one of the patterns matches this reading of a path (its `text` or its `decoded`). */
export function pathMatches(set: PathSet, path: string): boolean {
  if (set.exact?.has(path) === true) return true;
  if (!path.startsWith('/')) return false;
  let segments: readonly string[] | null = null;
  for (const pattern of set.patterns) {
    if (pattern.kind === 'below') {
      if (isBelow(pattern.base, path)) return true;
      continue;
    }
    segments ??= segmentsOf(path);
    if (segmentsMatch(pattern.elements, segments)) return true;
  }
  return false;
}

const isBelow = (base: string, path: string): boolean =>
  path.startsWith(base) && (path.length === base.length || path[base.length] === '/');

/**
 * Whether the elements match the segments, from left to right. Only the last `**` that was met ever takes one segment more, since
 * the earlier ones have found the leftmost place for what follows them: no pair of element and segment is compared twice after
 * the same `**`, so there are at most elements × segments comparisons, whatever the path is.
 */
export function segmentsMatch(elements: readonly Element[], segments: readonly string[]): boolean {
  let element = 0;
  let segment = 0;
  let resumeElement = -1;
  let resumeSegment = -1;
  while (segment < segments.length) {
    const wanted = elements[element];
    if (wanted?.kind === 'deep') {
      element++;
      resumeElement = element;
      resumeSegment = segment;
    } else if (wanted !== undefined && elementMatches(wanted, segments[segment] ?? '')) {
      element++;
      segment++;
    } else {
      if (resumeElement === -1) return false;
      element = resumeElement;
      resumeSegment++;
      segment = resumeSegment;
    }
  }
  while (elements[element]?.kind === 'deep') element++;
  return element === elements.length;
}

function elementMatches(element: Element, segment: string): boolean {
  switch (element.kind) {
    case 'text':
      return element.text === segment;
    case 'glob':
      return globMatches(element.glob, segment);
    case 'some':
      return segment !== '';
    case 'deep':
      return true;
  }
}
