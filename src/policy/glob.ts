/**
 * A text with `*` in it, taken apart once. `*` is any run of characters, also none. It is not a regular expression: matching
 * looks for the pieces from left to right and never goes back, so no value can make it slow.
 */
export interface Glob {
  readonly prefix: string;
  /** What stands between two stars, without empty pieces. */
  readonly middle: readonly string[];
  readonly suffix: string;
  /** The shortest text that can match. */
  readonly lengthMin: number;
}

/** Takes a pattern apart; it must hold at least one `*` (a text without one is compared, not matched). */
export function compileGlob(pattern: string): Glob {
  const pieces = pattern.split('*');
  const prefix = pieces[0] ?? '';
  const suffix = pieces.length > 1 ? (pieces.at(-1) ?? '') : '';
  const middle = pieces.slice(1, -1).filter((piece) => piece !== '');
  const lengthMin = middle.reduce((sum, piece) => sum + piece.length, prefix.length + suffix.length);
  return { prefix, middle, suffix, lengthMin };
}

/**
 * Whether the whole text matches. The leftmost place of each piece leaves the most room for the rest, so one search a piece is
 * enough: at most one pass over the text for each piece, whatever the text is.
 */
export function globMatches(glob: Glob, text: string): boolean {
  if (text.length < glob.lengthMin || !text.startsWith(glob.prefix) || !text.endsWith(glob.suffix)) return false;
  const end = text.length - glob.suffix.length;
  let from = glob.prefix.length;
  for (const piece of glob.middle) {
    const found = text.indexOf(piece, from);
    if (found === -1 || found + piece.length > end) return false;
    from = found + piece.length;
  }
  return true;
}
