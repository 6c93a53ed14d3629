import type { BodyEvent, BodyReader } from './body-events.ts';
import { HeadCutter, type HeadLimits, hasStrayControl, parseFields } from './head.ts';
import type { Inbox } from './inbox.ts';
import { type Refused, refused } from './syntax.ts';

const LF = 0x0a;
const CR = 0x0d;
/** A size line with its extensions. Extensions mean nothing to us and end here (RFC 9112 section 7.1.1 asks for a limit on them). */
const SIZE_LINE_BYTES_MAX = 1_024;
/** Up to 2^52 - 1; extensions are printable text after ";". */
const SIZE_LINE = /^([0-9A-Fa-f]{1,13})(?:[ \t]*;[\t \x21-\x7e\x80-\xff]*)?$/;

/** The chunked coding of RFC 9112 section 7.1: data as slices of what arrived, then the trailer section. */
export class ChunkedReader implements BodyReader {
  readonly endsWithConnection = false;
  readonly #limits: HeadLimits;
  #state: 'size' | 'data' | 'data-end' | 'trailers' | 'done' = 'size';
  #left = 0;
  #trailers: HeadCutter | null = null;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  read(inbox: Inbox): BodyEvent {
    for (;;) {
      const event = this.#step(inbox);
      if (event !== null) return event;
    }
  }

  /** One step; null if the state changed and there is nothing to report. */
  #step(inbox: Inbox): BodyEvent | null {
    switch (this.#state) {
      case 'size':
        return this.#size(inbox);
      case 'data':
        return this.#data(inbox);
      case 'data-end':
        return this.#dataEnd(inbox);
      case 'trailers':
        return this.#trailerSection(inbox);
      case 'done':
        return { kind: 'end', trailers: [] };
    }
  }

  #size(inbox: Inbox): 'more' | Refused | null {
    const lf = inbox.indexOf(LF);
    if (lf < 0) return inbox.length > SIZE_LINE_BYTES_MAX ? longLine : 'more';
    if (lf > SIZE_LINE_BYTES_MAX) return longLine;
    const line = inbox.takeText(lf + 1);
    const size = line.endsWith('\r\n') ? SIZE_LINE.exec(line.slice(0, -2)) : null;
    if (size === null) return refused('framing', 'a chunk does not begin with its size in hexadecimal digits');
    this.#left = Number.parseInt(size[1] ?? '', 16);
    this.#state = this.#left === 0 ? 'trailers' : 'data';
    return null;
  }

  #data(inbox: Inbox): Buffer | 'more' {
    if (inbox.length === 0) return 'more';
    const bytes = inbox.take(this.#left);
    this.#left -= bytes.length;
    if (this.#left === 0) this.#state = 'data-end';
    return bytes;
  }

  #dataEnd(inbox: Inbox): 'more' | Refused | null {
    if (inbox.length > 0 && inbox.at(0) !== CR) return chunkEnd;
    if (inbox.length < 2) return 'more';
    if (inbox.at(1) !== LF) return chunkEnd;
    inbox.skip(2);
    this.#state = 'size';
    return null;
  }

  #trailerSection(inbox: Inbox): BodyEvent {
    // Without trailers the section is one empty line, which is all that most messages have.
    if (this.#trailers === null) {
      if (inbox.length < 2) return inbox.length === 1 && inbox.at(0) === LF ? bareLf : 'more';
      if (inbox.at(0) === CR && inbox.at(1) === LF) {
        inbox.skip(2);
        this.#state = 'done';
        return { kind: 'end', trailers: [] };
      }
      this.#trailers = new HeadCutter(this.#limits);
    }
    const text = this.#trailers.cut(inbox);
    if (text === null) return 'more';
    if (typeof text !== 'string') return text;
    if (hasStrayControl(text)) return refused('framing', 'the trailer section holds a control character');
    const trailers = parseFields(text, 0, this.#limits.headFields);
    if (!Array.isArray(trailers)) return trailers;
    this.#state = 'done';
    return { kind: 'end', trailers };
  }
}

const longLine = refused('framing', 'a chunk size line is too long');
const chunkEnd = refused('framing', 'a chunk is not followed by CRLF');
const bareLf = refused('framing', 'a line ends in LF without CR');
