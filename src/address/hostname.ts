import { domainToASCII } from 'node:url';
import { parseIp } from './ip.ts';

export type HostKind = 'name' | 'ipv4' | 'ipv6';

/** `why` is a predicate ("has an empty label") and holds nothing of the text; `canonical` is the spelling that would have been taken. */
export type HostReading =
  | { readonly ok: true; readonly host: string; readonly kind: HostKind }
  | { readonly ok: false; readonly why: string; readonly canonical?: string };

const NAME_LENGTH_MAX = 253;
const LABEL_LENGTH_MAX = 63;
/** Longer text is not looked at: no host has it, with brackets and a final dot. */
const TEXT_LENGTH_MAX = 300;

const LOOKS_LIKE_NUMBER = /^(?:[0-9]+|0x[0-9a-f]*)$/;
const UPPER_CASE = /[A-Z]/;
const NOT_ASCII = /[^\x00-\x7f]/;

/**
 * Reads a host in canonical form (SEMANTICS.md 2): a name of lower-case A-labels without a final dot, a dotted quad, or an
 * RFC 5952 address in brackets. Anything else is refused, so that one host has one spelling from the file to the SNI.
 *
 * Underscores are taken in names although RFC 1123 hosts have none: DNS has them, and real hosts do (`_` in buckets and in
 * internal names); no resolver or TLS library reads them in two ways.
 */
export function canonicalHost(text: string): HostReading {
  if (isPlainName(text)) return { ok: true, host: text, kind: 'name' };
  if (text.length === 0) return { ok: false, why: 'is empty' };
  if (text.length > TEXT_LENGTH_MAX) return { ok: false, why: `is longer than ${NAME_LENGTH_MAX} characters` };
  if (text.startsWith('[')) return readBracketed(text);
  if (parseIp(text)?.family === 4) return { ok: true, host: text, kind: 'ipv4' };
  return refuseName(text);
}

/**
 * Reads a host as a client sent it: case and one final dot are folded (RFC 9110 section 4.2.3, RFC 3986 section 3.2.2), anything
 * else that is not canonical is refused. Called for each request, hence the first line.
 */
export function hostFromRequest(text: string): HostReading {
  if (isPlainName(text)) return { ok: true, host: text, kind: 'name' };
  if (text.length > TEXT_LENGTH_MAX) return canonicalHost(text);
  const lower = foldCase(text);
  // The final dot is part of a name (RFC 3986 section 3.2.2); after the bracket of an address it is nothing.
  const isDotted = lower.endsWith('.') && !lower.endsWith('].');
  return canonicalHost(isDotted ? lower.slice(0, -1) : lower);
}

/** ASCII letters only: `toLowerCase` would turn the Kelvin sign into "k", and so one host into another. */
const foldCase = (text: string): string => (NOT_ASCII.test(text) ? text : text.toLowerCase());

/** Whether the text is a canonical name whose last label begins with a letter or underscore: one pass, no allocation. */
function isPlainName(text: string): boolean {
  const length = text.length;
  if (length === 0 || length > NAME_LENGTH_MAX) return false;
  let labelStart = 0;
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (isLetterDigit(code)) continue;
    if (code === HYPHEN) {
      if (index === labelStart) return false;
    } else if (code === DOT) {
      if (!endsLabel(text, labelStart, index)) return false;
      labelStart = index + 1;
    } else {
      return false;
    }
  }
  const first = text.charCodeAt(labelStart);
  return endsLabel(text, labelStart, length) && (first > DIGIT_NINE || first < DIGIT_ZERO);
}

const HYPHEN = 0x2d;
const DOT = 0x2e;
const DIGIT_ZERO = 0x30;
const DIGIT_NINE = 0x39;
const UNDERSCORE = 0x5f;

const isLetterDigit = (code: number): boolean =>
  (code >= 0x61 && code <= 0x7a) || (code >= DIGIT_ZERO && code <= DIGIT_NINE) || code === UNDERSCORE;

const endsLabel = (text: string, start: number, end: number): boolean =>
  end > start && end - start <= LABEL_LENGTH_MAX && text.charCodeAt(end - 1) !== HYPHEN;

function readBracketed(text: string): HostReading {
  const inner = text.endsWith(']') ? text.slice(1, -1) : '';
  if (inner.includes('%'))
    return { ok: false, why: 'has a zone, which means something on one machine only; leave it out' };
  const ip = parseIp(inner);
  if (ip === null || ip.family !== 6) return { ok: false, why: 'is not an IPv6 address in brackets' };
  if (ip.text === inner) return { ok: true, host: text, kind: 'ipv6' };
  return { ok: false, why: 'is not the canonical spelling of the address (RFC 5952)', canonical: `[${ip.text}]` };
}

/** Why a text that is no plain name, no dotted quad and not in brackets is refused; or a name whose last label begins with a digit. */
function refuseName(text: string): HostReading {
  const ip = parseIp(text);
  if (ip !== null) return { ok: false, why: 'is an IPv6 address without brackets', canonical: `[${ip.text}]` };
  if (NOT_ASCII.test(text)) return refuseUnicode(text);
  if (UPPER_CASE.test(text)) return refuseUpperCase(text);
  if (text.endsWith('.')) return withCanonical('ends with a dot', text.slice(0, -1));
  const bad = whyBadName(text);
  if (bad !== null) return { ok: false, why: bad };
  const last = text.slice(text.lastIndexOf('.') + 1);
  if (LOOKS_LIKE_NUMBER.test(last)) return withCanonical('is read as an address by resolvers', domainToASCII(text));
  return { ok: true, host: text, kind: 'name' };
}

function refuseUpperCase(text: string): HostReading {
  const folded = hostFromRequest(text);
  return withCanonical('has upper-case letters', folded.ok ? folded.host : '');
}

function whyBadName(text: string): string | null {
  if (text.includes('%')) return 'has a percent sign; hosts are written without escapes';
  if (text.includes('@')) return 'has user information; write the host alone';
  if (text.length > NAME_LENGTH_MAX) return `is longer than ${NAME_LENGTH_MAX} characters`;
  for (const label of text.split('.')) {
    if (label === '') return 'has an empty label';
    if (label.length > LABEL_LENGTH_MAX) return `has a label of more than ${LABEL_LENGTH_MAX} characters`;
    if (!/^[a-z0-9_-]*$/.test(label)) return 'has a character that host names do not have';
    if (label.startsWith('-') || label.endsWith('-')) return 'has a label that begins or ends with a hyphen';
  }
  return null;
}

/**
 * A name with other than ASCII characters. Its A-label spelling is given only where nothing vanished on the way: mapping drops soft
 * hyphens, turns an ideographic full stop into a dot and full-width letters into ASCII, so the text may look like another host.
 */
function refuseUnicode(text: string): HostReading {
  const why = 'has characters that are not ASCII';
  const ascii = domainToASCII(text);
  const faithful = ascii !== '' && text.split('.').every((label) => keepsItsShape(label));
  return faithful ? withCanonical(why, ascii) : { ok: false, why: `${why}; write its A-label form (xn--…)` };
}

function keepsItsShape(label: string): boolean {
  const ascii = domainToASCII(label);
  return NOT_ASCII.test(label) ? ascii.startsWith('xn--') && !ascii.includes('.') : ascii === label.toLowerCase();
}

/** Offers the canonical spelling only if it would be taken. */
function withCanonical(why: string, candidate: string): HostReading {
  return candidate !== '' && canonicalHost(candidate).ok
    ? { ok: false, why, canonical: candidate }
    : { ok: false, why };
}
