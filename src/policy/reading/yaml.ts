import {
  type Document,
  type DocumentOptions,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type ParseOptions,
  parseDocument,
  type ScalarTag,
  type SchemaOptions,
} from 'yaml';
import { type Part, type Path, type PlaceOf, type Report, reportFor } from '../finding.ts';
import type { Place } from '../model.ts';
import { placesIn } from './lines.ts';
import { toPlain } from './yaml-plain.ts';

/** A file that is well-formed YAML, as plain data, and the report that knows the places in it. */
export interface YamlFile {
  readonly value: unknown;
  readonly placeOf: PlaceOf;
  readonly report: Report;
}

/** As UTF-16 units; 100,000 rules are about 20 million. A longer text would hold the loading thread for minutes. */
const TEXT_LENGTH_MAX = 32 * 1024 * 1024;
const BROKEN_LINES_SHOWN_MAX = 5;

/**
 * YAML 1.2 with one spelling for each thing: `true`/`false`, decimal whole numbers, `null`; everything else is text as it stands.
 * So `yes`, `0o17`, `1e3` and `017` are texts, and no two readers can take them for different numbers.
 */
const TAGS: readonly ScalarTag[] = [
  { tag: 'tag:yaml.org,2002:null', default: true, test: /^(?:~|null)?$/, resolve: () => null },
  { tag: 'tag:yaml.org,2002:bool', default: true, test: /^(?:true|false)$/, resolve: (text) => text === 'true' },
  { tag: 'tag:yaml.org,2002:int', default: true, test: /^(?:0|-?[1-9][0-9]{0,14})$/, resolve: (text) => Number(text) },
];

const OPTIONS: ParseOptions & DocumentOptions & SchemaOptions = {
  version: '1.2',
  schema: 'failsafe',
  customTags: [...TAGS],
  resolveKnownTags: false,
  merge: false,
  strict: true,
  stringKeys: true,
  uniqueKeys: true,
  prettyErrors: false,
  // "silent" would also keep a second document silent.
  logLevel: 'error',
};

/**
 * Reads one YAML document, strictly: warnings are errors, keys are unique texts, tags are known, aliases are bounded, and a file
 * has one document that is a map. What is wrong is in `report`; `value` is null if nothing can be said about the content.
 */
export function parseYaml(text: string, file: string): YamlFile {
  // A byte order mark is allowed by YAML 1.2 section 5.2 and left behind by editors; it is no character of the first line.
  const source = text.startsWith('\ufeff') ? text.slice(1) : text;
  const placeAt = placesIn(source, file);
  const unreadable = whyUnreadable(source);
  if (unreadable !== null) return refuse(unreadable.why, placeAt(unreadable.offset));
  const document = parseDocument(source, OPTIONS);
  const placeOf: PlaceOf = (path, part) => placeAt(offsetOf(document, path, part));
  const report = reportFor(placeOf);
  const at = (offset: number, why: string): void => report.errorAt(placeAt(offset), why);
  if (!reportSyntax(document, source, at)) return { value: null, placeOf, report };
  if (document.directives?.yaml.version !== '1.2')
    at(0, 'asks for YAML 1.1, which reads "no" as false; remove the %YAML line');
  const value = toPlain(document.contents, at);
  if (value === null && !report.failed()) at(0, 'is empty; write at least "version: 1"');
  if (value !== null && !isRecord(value)) at(0, 'must be a map of keys; begin with "version: 1"');
  return { value: isRecord(value) ? value : null, placeOf, report };
}

function refuse(why: string, place: Place): YamlFile {
  const placeOf: PlaceOf = () => place;
  const report = reportFor(placeOf);
  report.errorAt(place, why);
  return { value: null, placeOf, report };
}

const isRecord = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Characters that no YAML file may have (YAML 1.2 section 5.1), and those that make a text look different from what is read. */
const UNREADABLE = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\u202a-\u202e\u2066-\u2069]|\r(?!\n)/;

function whyUnreadable(source: string): { readonly offset: number; readonly why: string } | null {
  if (source.length > TEXT_LENGTH_MAX) return { offset: 0, why: `is longer than ${TEXT_LENGTH_MAX} characters` };
  const found = UNREADABLE.exec(source);
  if (found === null) return null;
  const code = found[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
  return { offset: found.index, why: `has the character U+${code}, which does not belong in a text file; remove it` };
}

/** Reports what the parser found; true if the content can still be judged (a duplicate key or an unknown tag hides nothing). */
function reportSyntax(document: Document, source: string, at: (offset: number, message: string) => void): boolean {
  const brokenLines = new Set<string>();
  for (const { code, pos, message } of [...document.errors, ...document.warnings]) {
    const harmless = HARMLESS_BY_CODE.get(code);
    const line = lineAround(source, pos[0]);
    if (harmless !== undefined) at(pos[0], harmless);
    // One slip makes the parser stumble over all that follows, so only a few lines are worth a message, each one.
    else if (!brokenLines.has(line) && brokenLines.size < BROKEN_LINES_SHOWN_MAX) {
      brokenLines.add(line);
      at(pos[0], syntaxText(code, message, line));
    }
  }
  return brokenLines.size === 0;
}

const HARMLESS_BY_CODE: ReadonlyMap<string, string> = new Map([
  ['DUPLICATE_KEY', 'is the second key of this name; remove one of them'],
  ['TAG_RESOLVE_FAILED', 'is a tag that is not known; remove it'],
  ['BAD_DIRECTIVE', 'is a directive that is not known; remove the line'],
  ['MULTIPLE_DOCS', 'begins a second document; a file has one, so remove "---" and what follows'],
]);

function syntaxText(code: string, message: string, line: string): string {
  if (code === 'RESOURCE_EXHAUSTION') return 'is nested too deeply';
  if (/\$\{/.test(line)) return 'is not YAML; inside braces or brackets a value with ${…} needs quotes: "${name}"';
  if (code === 'BAD_ALIAS') return 'is read as a YAML alias; put quotes around a value that begins with "*"';
  if (code === 'NON_STRING_KEY') return 'is a key that is no plain text';
  if (code === 'TAB_AS_INDENT') return 'is not YAML; indent with spaces, not with tabs';
  // The parser's text for this code repeats the token, which might be a secret in the wrong place.
  if (code === 'UNEXPECTED_TOKEN')
    return 'is not expected here; check the indentation, the quotes and the brackets before it';
  return `is not YAML: ${message}`;
}

function lineAround(source: string, offset: number): string {
  const end = source.indexOf('\n', offset);
  return source.slice(source.lastIndexOf('\n', offset - 1) + 1, end === -1 ? source.length : end);
}

/** Where the value or key at the end of the path begins. Below an alias, the alias: that is what the author wrote there. */
function offsetOf(document: Document | null, path: Path, part: Part): number {
  let node: unknown = document?.contents;
  let offset = startOf(node) ?? 0;
  for (const [index, step] of path.entries()) {
    if (isSeq(node) && typeof step === 'number') {
      node = node.items[step];
    } else if (isMap(node)) {
      const pair = node.items.find((each) => isScalar(each.key) && each.key.value === step);
      const keyOffset = startOf(pair?.key);
      offset = keyOffset ?? offset;
      if (part === 'key' && index === path.length - 1) return offset;
      node = pair?.value;
    } else {
      return offset;
    }
    offset = startOf(node) ?? offset;
  }
  return offset;
}

const startOf = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined);
