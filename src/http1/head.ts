import type { Field } from '../headers/field-list.ts';
import type { Inbox } from './inbox.ts';
import { fieldNameOf, type Refused, refused, STRAY_CONTROL, trimOws } from './syntax.ts';

const CRLF_CRLF = Buffer.from('\r\n\r\n');
const LF = 0x0a;
const CR = 0x0d;

/** How large a head may be: bytes with its final empty line, and field lines. */
export interface HeadLimits {
  readonly headBytes: number;
  readonly headFields: number;
}

/**
 * Cuts one head (start line and fields, without the empty line) from the front of an inbox, however it was split over reads.
 * Keep one for each direction of a connection; it remembers what it has searched, so that a head that trickles in is read once.
 */
export class HeadCutter {
  readonly #limits: HeadLimits;
  #searched = 0;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  /** The text of the head; null if it is not complete yet. */
  cut(inbox: Inbox): string | null | Refused {
    // The four bytes may straddle two reads.
    const end = inbox.indexOf(CRLF_CRLF, Math.max(0, this.#searched - 3));
    if (end < 0) return this.#incomplete(inbox);
    this.#searched = 0;
    if (end + 4 > this.#limits.headBytes) return tooLarge;
    const text = inbox.takeText(end);
    inbox.skip(4);
    return text;
  }

  #incomplete(inbox: Inbox): null | Refused {
    if (inbox.length > this.#limits.headBytes) return tooLarge;
    // RFC 9112 section 2.2 lets a recipient take a bare LF for a line end. Two readers differ on it, and waiting for the CR would hang.
    for (let lf = inbox.indexOf(LF, this.#searched); lf >= 0; lf = inbox.indexOf(LF, lf + 1)) {
      if (lf === 0 || inbox.at(lf - 1) !== CR) return refused('invalid', 'a line ends in LF without CR');
    }
    this.#searched = inbox.length;
    return null;
  }
}

const tooLarge = refused('too-large', 'the head is larger than the limit');

/**
 * The field lines of a head's text from `start` on (the character after the start line's CRLF). Strict where RFC 9112 section 5 lets
 * readers differ: no white space before the colon, no folding, no stray CR, LF or control.
 */
export function parseFields(text: string, start: number, fieldsMax: number): Field[] | Refused {
  const fields: Field[] = [];
  for (let at = start; at < text.length; ) {
    const end = lineEnd(text, at);
    if (end < 0) return refused('invalid', 'a line holds a CR or LF of its own');
    const colon = text.indexOf(':', at);
    if (colon < 0 || colon > end) return refused('invalid', 'a field line has no colon');
    const name = text.slice(at, colon);
    const lower = fieldNameOf(name);
    if (lower === null) return refused('invalid', badName(name));
    if (fields.length === fieldsMax) return refused('too-large', 'the head has more fields than the limit');
    fields.push({ name, lower, value: trimOws(text, colon + 1, end) });
    at = end + 2;
  }
  return fields;
}

/** Whether a head's text holds a control character other than HTAB, CR and LF; `lineEnd` looks after those two. */
export const hasStrayControl = (text: string): boolean => STRAY_CONTROL.test(text);

/**
 * Where the line that begins at `start` ends: at its CRLF, or at the end of the text. -1 if a CR or LF stands in it that is not of that CRLF,
 * which ends a line for some readers and not for others (RFC 9112 section 2.2).
 */
export function lineEnd(text: string, start: number): number {
  const cr = text.indexOf('\r', start);
  const lf = text.indexOf('\n', start);
  if (cr < 0 && lf < 0) return text.length;
  return cr >= 0 && lf === cr + 1 ? cr : -1;
}

function badName(name: string): string {
  if (/^[ \t]/.test(name)) return 'a field line is folded (RFC 9112 section 5.2)';
  if (/[ \t]$/.test(name)) return 'white space stands before the colon of a field';
  return STRAY_CONTROL.test(name) ? 'a field name holds a control character' : 'a field name is not a token';
}
