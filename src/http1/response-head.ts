import type { Field } from '../headers/field-list.ts';
import { hasStrayControl, lineEnd, parseFields } from './head.ts';
import { type HttpVersion, versionOf } from './request-head.ts';
import { type Refused, refused } from './syntax.ts';

export interface ResponseHead {
  readonly kind: 'response';
  readonly version: HttpVersion;
  /** 100 to 999. */
  readonly status: number;
  /** As it came, possibly empty; one character a byte. */
  readonly reason: string;
  readonly fields: readonly Field[];
}

// "HTTP/1.1 200 OK", and "HTTP/1.1 200" without the space that RFC 9112 section 4 asks for, which servers leave out.
const STATUS_LINE = /^(HTTP\/1\.[01]) ([1-9][0-9]{2})(?: ([\t \x21-\x7e\x80-\xff]*))?$/;

/** Reads the text of a response head. */
export function parseResponseHead(text: string, fieldsMax: number): ResponseHead | Refused {
  if (hasStrayControl(text)) return refused('invalid', 'the response head holds a control character');
  const end = lineEnd(text, 0);
  if (end < 0) return refused('invalid', 'the status line holds a CR or LF of its own');
  const line = STATUS_LINE.exec(text.slice(0, end));
  const version = line === null ? null : versionOf(line[1] ?? '');
  if (line === null || version === null) return refused('invalid', 'the status line is not "VERSION STATUS REASON"');
  const fields = parseFields(text, end + 2, fieldsMax);
  if (!Array.isArray(fields)) return fields;
  return { kind: 'response', version, status: Number(line[2]), reason: line[3] ?? '', fields };
}
