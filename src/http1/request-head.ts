import type { Field } from '../headers/field-list.ts';
import { hasStrayControl, lineEnd, parseFields } from './head.ts';
import { isTargetText, isToken, type Refused, refused } from './syntax.ts';

export type HttpVersion = '1.0' | '1.1' | '2';

export interface RequestHead {
  readonly kind: 'request';
  readonly method: string;
  /** As it came (RFC 9112 section 3.2): origin-form, absolute-form, authority-form or asterisk-form; printable ASCII. */
  readonly target: string;
  readonly version: HttpVersion;
  readonly fields: readonly Field[];
}

const METHOD_BYTES_MAX = 32;

/** Reads the text of a request head. A reader that is stricter than RFC 9112 asks refuses what readers would read differently. */
export function parseRequestHead(text: string, fieldsMax: number): RequestHead | Refused {
  if (hasStrayControl(text)) return refused('invalid', 'the head holds a control character');
  const end = lineEnd(text, 0);
  if (end < 0) return refused('invalid', 'the request line holds a CR or LF of its own');
  const methodEnd = text.indexOf(' ');
  const targetEnd = text.indexOf(' ', methodEnd + 1);
  if (methodEnd < 1 || targetEnd < 0 || targetEnd > end)
    return refused('invalid', 'the request line is not "METHOD TARGET VERSION"');
  const method = text.slice(0, methodEnd);
  const target = text.slice(methodEnd + 1, targetEnd);
  if (!isToken(method) || method.length > METHOD_BYTES_MAX) return refused('invalid', 'the method is not a token');
  if (!isTargetText(target))
    return refused('target', 'the target is empty or holds a character that is not printable ASCII');
  const version = versionOf(text.slice(targetEnd + 1, end));
  if (version === null) return refused('invalid', 'the version is neither HTTP/1.1 nor HTTP/1.0');
  const fields = parseFields(text, end + 2, fieldsMax);
  return Array.isArray(fields) ? { kind: 'request', method, target, version, fields } : fields;
}

export function versionOf(text: string): '1.0' | '1.1' | null {
  if (text === 'HTTP/1.1') return '1.1';
  return text === 'HTTP/1.0' ? '1.0' : null;
}
