import type { Finding, Place } from './model.ts';

/** The way to a value in a file: keys and indexes, `['rules', 2, 'hosts', 0]`. */
export type Path = readonly (string | number)[];

/** Where a finding points: at the value, or at its key (an unknown key, a key that does not belong). */
export type Part = 'key' | 'value';

/** Finds the place of a value or key in a file; of what is missing, the place of the nearest thing around it. */
export type PlaceOf = (path: Path, part: Part) => Place;

/** Collects what is wrong with one file, so that an author sees all of it at once. */
export interface Report {
  error(path: Path, text: string, part?: Part): void;
  warning(path: Path, text: string, part?: Part): void;
  /** An error in the text itself, before it has paths. */
  errorAt(place: Place, text: string): void;
  /** Whether an error was reported, even one that is not among `findings` because there are too many. */
  failed(): boolean;
  /** In the order of the file. */
  findings(): readonly Finding[];
}

/** A value in a file and where to report what is wrong with it. */
export interface Site {
  readonly report: Report;
  readonly path: Path;
}

export const below = (site: Site, ...steps: Path): Site => ({ report: site.report, path: [...site.path, ...steps] });

/** More than this of one level is one mistake many times over; the rest is counted. */
const FINDINGS_PER_LEVEL_MAX = 100;

export function reportFor(placeOf: PlaceOf): Report {
  const findings: Finding[] = [];
  const count = { error: 0, warning: 0 };
  const isShown = (level: Finding['level']): boolean => ++count[level] <= FINDINGS_PER_LEVEL_MAX;
  const add = (level: Finding['level'], path: Path, text: string, part: Part): void => {
    if (isShown(level)) findings.push({ level, place: placeOf(path, part), path: formatPath(path), text });
  };
  return {
    error: (path, text, part = 'value') => add('error', path, text, part),
    warning: (path, text, part = 'value') => add('warning', path, text, part),
    errorAt(place, text) {
      if (isShown('error')) findings.push({ level: 'error', place, path: '', text });
    },
    failed: () => count.error > 0,
    findings: () => [
      ...findings.toSorted(byPlace),
      ...omitted('error', count, placeOf),
      ...omitted('warning', count, placeOf),
    ],
  };
}

function omitted(level: Finding['level'], count: Record<Finding['level'], number>, placeOf: PlaceOf): Finding[] {
  const more = count[level] - FINDINGS_PER_LEVEL_MAX;
  if (more <= 0) return [];
  return [{ level, place: placeOf([], 'value'), path: '', text: `${more} more ${level}s are not shown` }];
}

const byPlace = (one: Finding, other: Finding): number =>
  one.place.line - other.place.line || one.place.column - other.place.column;

export const hasErrors = (findings: readonly Finding[]): boolean => findings.some((each) => each.level === 'error');

/** `rules[2].hosts[0]`; a key that is not a plain word stands in quotes: `rules[0].query["a.b"]`. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(step)) text += `[${quote(step)}]`;
    else text += text === '' ? step : `.${step}`;
  }
  return text;
}

/**
 * `policies/dev.yaml:14:12  rules[2].hosts[0]  "*.com" covers a public suffix; …`, the form in which every command prints findings.
 * @param file how to show the name of the file, where not as it stands.
 */
export function formatFinding(finding: Finding, file: string = finding.place.file): string {
  const { line, column } = finding.place;
  const path = finding.path === '' ? '' : `${finding.path}  `;
  const level = finding.level === 'warning' ? 'warning: ' : '';
  return `${file}:${line}:${column}  ${path}${level}${finding.text}`;
}

const QUOTED_LENGTH_MAX = 80;

/** Text of a file in quotes for a message: short, on one line, and with nothing that a terminal would obey. */
export function quote(text: string): string {
  const short = text.length > QUOTED_LENGTH_MAX ? `${text.slice(0, QUOTED_LENGTH_MAX)}…` : text;
  return JSON.stringify(short).replace(/[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, escapeCharacter);
}

const escapeCharacter = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** The known word that is nearest to a mistyped one, if it is near: at most two letters inserted, removed, changed or swapped. */
export function nearest(word: string, known: readonly string[]): string | null {
  const limit = word.length <= 3 ? 1 : 2;
  let best: { readonly word: string; readonly distance: number } | null = null;
  for (const candidate of known) {
    const distance = distanceOf(word.toLowerCase(), candidate.toLowerCase());
    if (distance <= limit && (best === null || distance < best.distance)) best = { word: candidate, distance };
  }
  return best === null ? null : best.word;
}

/** Optimal string alignment distance; words in files are short, and long ones are not near to any of ours. */
function distanceOf(one: string, other: string): number {
  if (Math.abs(one.length - other.length) > 2) return Number.POSITIVE_INFINITY;
  const rows: number[][] = [Array.from({ length: other.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    const previous = rows[row - 1] ?? [];
    for (let column = 1; column <= other.length; column++) {
      const same = one[row - 1] === other[column - 1] ? 0 : 1;
      let cost = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + same,
      );
      const swapped = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      if (row > 1 && column > 1 && swapped) cost = Math.min(cost, (rows[row - 2]?.[column - 2] ?? 0) + 1);
      current.push(cost);
    }
    rows.push(current);
  }
  return rows[one.length]?.[other.length] ?? 0;
}
