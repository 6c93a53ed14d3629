/**
 * The cookies of one `Cookie` line without those of these names; the others stay byte for byte, with the separators between them
 * (RFC 6265 section 4.2). Empty if none is left.
 */
export function withoutCookies(line: string, names: readonly string[]): string {
  const kept = line.split(';').filter((pair) => !names.some((name) => isCookie(pair, name)));
  return kept.length === 0 ? '' : kept.join(';').trimStart();
}

/**
 * Whether a pair is the cookie of this name, also to readers that part cookies at white space or commas (Python's `http.cookies`, old
 * Java servers): `theme=dark sid=mine` is two cookies there. Such a pair goes as a whole.
 */
function isCookie(pair: string, name: string): boolean {
  for (let at = pair.indexOf(name); at !== -1; at = pair.indexOf(name, at + 1)) {
    if (BOUNDARIES.has(pair[at - 1] ?? ' ') && ENDS_NAME.test(pair.slice(at + name.length))) return true;
  }
  return false;
}

const BOUNDARIES: ReadonlySet<string> = new Set([' ', '\t', ',', '"']);
const ENDS_NAME = /^[ \t]*(?:=|$)/;
