import { below, quote, type Site } from '../finding.ts';
import type { Misplaced, Surface } from '../model.ts';
import { whyBadField } from './field-names.ts';

/** SEMANTICS.md 7: long enough not to turn up by chance, and without a character that any place would escape. */
const TOKEN = /^[A-Za-z0-9_-]{12,128}$/;

/** Reads `token`; null if it is none, which is reported. */
export function readToken(raw: string, site: Site): string | null {
  if (TOKEN.test(raw)) return raw;
  site.report.error(site.path, 'is not a placeholder; write 12 to 128 characters of A-Z a-z 0-9 _ -');
  return null;
}

/** A place where a token is swapped, and where the file says so. */
export interface SurfaceUse {
  readonly surface: Surface;
  readonly site: Site;
}

/** Reads `in`, the places where the token is swapped. */
export function readSurfaces(raw: readonly string[], site: Site): readonly SurfaceUse[] {
  const surfaces: SurfaceUse[] = [];
  const seen = new Set<string>();
  for (const [index, text] of raw.entries()) {
    const at = below(site, index);
    const surface = readSurface(text, at);
    if (surface === null) continue;
    const key = JSON.stringify(surface);
    if (seen.has(key)) site.report.warning(at.path, `${quote(text)} is in this list twice; remove one of them`);
    else surfaces.push({ surface, site: at });
    seen.add(key);
  }
  return surfaces;
}

function readSurface(text: string, site: Site): Surface | null {
  const colon = text.indexOf(':');
  const word = colon === -1 ? text : text.slice(0, colon);
  const name = colon === -1 ? null : text.slice(colon + 1);
  const refuse = (why: string): null => {
    site.report.error(site.path, `${quote(text)} ${why}`);
    return null;
  };
  if (name === '')
    return refuse(`has no name after the colon; write e.g. "${word}:key", or "${word}" for anywhere in it`);
  switch (word) {
    case 'header': {
      const why = name === null ? null : whyBadField(name);
      return why === null ? { kind: 'header', name: name?.toLowerCase() ?? null } : refuse(why);
    }
    case 'query':
    case 'body':
      return { kind: word, name };
    case 'path':
      return name === null ? { kind: 'path' } : refuse('names a part of the path; write "path"');
    default:
      return refuse('is not a place; write header, header:NAME, query, query:NAME, path, body or body:NAME');
  }
}

/** A token as one rule binds it. */
export interface TokenUse {
  readonly token: string;
  readonly misplaced: Misplaced;
  readonly site: Site;
}

/**
 * Judges the tokens of a whole policy: none may stand inside another (which of them was meant could not be told), and one token
 * has one answer to being misplaced. Linear in the number of tokens for each length that tokens have.
 */
export function checkTokens(uses: readonly TokenUse[]): void {
  const misplacedByToken = new Map<string, string>();
  for (const { token, misplaced, site } of uses) {
    const known = misplacedByToken.get(token);
    if (known !== undefined && known !== misplaced) {
      const text = `is bound with "misplaced: ${known}" elsewhere in this policy; a token has one answer`;
      site.report.error(below(site, 'misplaced').path, text);
    }
    if (known === undefined) misplacedByToken.set(token, misplaced);
  }
  const lengths = [...new Set([...misplacedByToken.keys()].map((token) => token.length))];
  const reported = new Set<string>();
  for (const { token, site } of uses) {
    if (reported.has(token) || !holdsAnother(token, lengths, misplacedByToken)) continue;
    reported.add(token);
    site.report.error(
      below(site, 'token').path,
      'has another placeholder of this policy inside it; choose tokens that differ',
    );
  }
}

function holdsAnother(token: string, lengths: readonly number[], known: ReadonlyMap<string, unknown>): boolean {
  for (const length of lengths) {
    if (length >= token.length) continue;
    for (let start = 0; start + length <= token.length; start++)
      if (known.has(token.slice(start, start + length))) return true;
  }
  return false;
}
