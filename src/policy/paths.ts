/** A path as conditions see it (SEMANTICS.md 4). The path itself leaves as it came. */
export interface PathReading {
  /**
   * Canonical: escapes of unreserved characters decoded, the others in upper case (RFC 3986 section 6.2.2); characters that no path
   * may have unescaped, and that servers take nevertheless, escaped.
   */
  readonly text: string;
  /** Why servers read this path in different ways ("has a dot segment"); null if they do not. */
  readonly ambiguous: string | null;
  /** An escaped `/` is in it: only a rule with `encoded_slash: true` may allow it. */
  readonly encodedSlash: boolean;
  /**
   * What a server sees that decodes before it routes: a deny rule is asked about this reading too, or `%3A` would walk around a rule
   * about `/x:delete`. The same as `text` where nothing is escaped. A literal `*` is `%2A` here, as patterns have to write it.
   */
  readonly decoded: string;
  /**
   * What a server sees that decodes first and then drops `;` parameters: `/admin%3Bx/y` is `/admin/y` there, `..%3Bx` is `..`. A deny rule
   * is asked about this reading as well. The same as `decoded` where no `;` is escaped.
   */
  readonly bare: string;
}

/** Anything that is not a plain, unescaped character of RFC 3986 section 3.3, and empty and dot segments: reason to look closely. */
const NOT_PLAIN = /[^!$&-)+-./0-:=@A-Z_a-z~]|\/(?:\/|\.{1,2}(?:\/|$))/;
const DOT_SEGMENT = /\/\.{1,2}(?:\/|$)/;
const DOUBLE_ENCODED = /%25[0-9A-Fa-f]{2}/;

/** Reads a path without its query. Total: whatever cannot be read is ambiguous. */
export function readPath(path: string): PathReading {
  // `*` is the target of a server-wide OPTIONS (RFC 9112 section 3.2.4).
  if (path === '*') return plain(path);
  if (!path.startsWith('/')) return { ...plain(path), ambiguous: 'does not begin with a slash' };
  return NOT_PLAIN.test(path) ? readClosely(path) : plain(path);
}

const plain = (text: string): PathReading => ({
  text,
  ambiguous: null,
  encodedSlash: false,
  decoded: text,
  bare: text,
});

function readClosely(path: string): PathReading {
  const { text, problem } = canonicalise(path);
  const encodedSlash = text.includes('%2F');
  const decoded = routed(text).replaceAll('*', '%2A');
  const bare = decoded.replaceAll(PARAMETERS, '');
  return { text, ambiguous: problem ?? problemOfSegments(text, bare), encodedSlash, decoded, bare };
}

const PARAMETERS = /;[^/]*/g;

/** `/`, the delimiters that a path segment may have unescaped (RFC 3986 section 3.3) except `*`, and `;`. */
const ROUTED_ESCAPE = /%(?:2F|21|24|26|27|28|29|2B|2C|3A|3B|3D|40)/g;

/** A canonical text as a server routes it that decodes first. */
export const routed = (text: string): string =>
  text.replaceAll(ROUTED_ESCAPE, (triplet) => String.fromCharCode(Number.parseInt(triplet.slice(1), 16)));

/** Double encoding is looked for in the canonical text: `%25%32%46` is `%252F` there. */
function problemOfSegments(text: string, bare: string): string | null {
  if (DOUBLE_ENCODED.test(text)) return 'is encoded twice';
  if (DOT_SEGMENT.test(bare)) return 'has a dot segment';
  return bare.includes('//') ? 'has an empty segment' : null;
}

/** One pass over the characters; `problem` is the first that servers read in different ways. */
function canonicalise(path: string): { text: string; problem: string | null } {
  let text = '';
  let problem: string | null = null;
  let previousByte = -1;
  for (let index = 0; index < path.length; index++) {
    const code = path.charCodeAt(index);
    if (code !== PERCENT) {
      problem ??= problemOfRaw(code);
      text += NEVER_RAW.has(code) ? escapeOf(code) : path[index];
      previousByte = -1;
      continue;
    }
    const byte = byteOfEscape(path, index);
    problem ??= problemOfEscape(byte, previousByte);
    text += byte === BAD ? '%' : canonicalEscape(path, index, byte);
    previousByte = byte;
    if (byte !== BAD) index += 2;
  }
  return { text, problem };
}

const PERCENT = 0x25;
/** What stands in place of a byte where an escape is broken. */
const BAD = -1;

/** `"<>[]^` and the grave accent, `{|}`: in no path unescaped (RFC 3986 section 3.3). */
const NEVER_RAW: ReadonlySet<number> = new Set([0x22, 0x3c, 0x3e, 0x5b, 0x5d, 0x5e, 0x60, 0x7b, 0x7c, 0x7d]);

const escapeOf = (code: number): string => `%${code.toString(16).toUpperCase()}`;

const canonicalEscape = (path: string, index: number, byte: number): string =>
  isUnreserved(byte) ? String.fromCharCode(byte) : path.slice(index, index + 3).toUpperCase();

function problemOfRaw(code: number): string | null {
  if (code <= 0x20 || code === 0x7f) return 'has a space or control character';
  if (code > 0x7f) return 'has bytes that are not ASCII';
  if (code === 0x5c) return 'has a backslash';
  if (code === 0x3b) return 'has ";" parameters';
  // Only a fragment or a query begins with these, and neither is part of a path.
  return code === 0x23 || code === 0x3f ? 'has "#" or "?"' : null;
}

function problemOfEscape(byte: number, previousByte: number): string | null {
  if (byte === BAD) return 'has a bad escape';
  if (byte < 0x20 || byte === 0x7f) return 'has an encoded control byte';
  if (byte === 0x2e) return 'has an encoded dot';
  if (byte === 0x5c) return 'has an encoded backslash';
  return isOverlong(previousByte, byte) ? 'has overlong UTF-8' : null;
}

/**
 * Whether two bytes begin a form that is longer than UTF-8 allows (RFC 3629 section 3): lenient decoders read `%C0%AF` as a slash.
 * Five- and six-byte forms no longer exist and count too. A lone 0xC0 is a letter of Latin-1, so the next byte decides.
 */
function isOverlong(lead: number, next: number): boolean {
  if (next < 0x80 || next > 0xbf) return false;
  if (lead === 0xe0) return next < 0xa0;
  if (lead === 0xf0) return next < 0x90;
  return lead === 0xc0 || lead === 0xc1 || lead >= 0xf8;
}

/** The byte that `%XX` at this place stands for, or `BAD`. */
function byteOfEscape(text: string, index: number): number {
  const high = hexDigit(text.charCodeAt(index + 1));
  const low = hexDigit(text.charCodeAt(index + 2));
  return high === -1 || low === -1 ? BAD : high * 16 + low;
}

/** The value of a hexadecimal digit; -1 for anything else, the end of the text (NaN) included. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** RFC 3986 section 2.3. */
function isUnreserved(byte: number): boolean {
  const letter = byte | 0x20;
  if (letter >= 0x61 && letter <= 0x7a) return true;
  if (byte >= 0x30 && byte <= 0x39) return true;
  return byte === 0x2d || byte === 0x2e || byte === 0x5f || byte === 0x7e;
}
