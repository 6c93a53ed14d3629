import { fieldText } from '../headers/field-list.ts';

/** A longer name than any that a policy could sensibly bind: it is not kept, and matches nothing. */
const NAME_BYTES_MAX = 256;

/**
 * Reads JSON (RFC 8259) as it streams, only as far as needed to say in which member of the outermost object a place is. Nothing is held
 * but the name that is being read. What a lenient reader could take otherwise (comments, other quotes, a second document) is doubt: from
 * there on no place is in any member.
 */
export class JsonMember {
  #depth = 0;
  #begun = false;
  #doubtful = false;
  #inString = false;
  #escaped = false;
  #text = '';
  /** The last string of the outermost object, which becomes a name if a colon follows. */
  #last: string | null = null;
  /** The name before the colon that was just read; whatever follows it but a string clears it. */
  #name: string | null = null;
  /** The member whose value is the string that is being read. */
  #member: string | null = null;

  /** The name of the member, in bytes (latin1), whose string value the next character is in; null if it is in none, or in doubt. */
  get name(): string | null {
    return this.#inString && !this.#doubtful ? this.#member : null;
  }

  /** @param text the next part of the body, one character a byte */
  read(text: string): void {
    for (let index = 0; index < text.length && !this.#doubtful; index++) {
      const char = text[index] ?? '';
      if (this.#inString) this.#readInString(char);
      else this.#readOutside(char);
    }
  }

  #readInString(char: string): void {
    // RFC 8259 section 7: control characters must be escaped.
    if (char < ' ') this.#doubtful = true;
    if (char === '"' && !this.#escaped) {
      this.#endString();
      return;
    }
    this.#escaped = char === '\\' && !this.#escaped;
    if (this.#text.length <= NAME_BYTES_MAX) this.#text += char;
  }

  #readOutside(char: string): void {
    if (WHITE_SPACE.includes(char)) return;
    const opens = char === '{' || char === '[';
    if (!this.#begun && char !== '{') this.#doubtful = true;
    else if (this.#begun && this.#depth === 0) this.#doubtful = true;
    else if (char === '"') this.#beginString();
    else if (char === ':') this.#takeName();
    else if (opens || char === '}' || char === ']') this.#depth += opens ? 1 : -1;
    else if (!SCALAR.test(char)) this.#doubtful = true;
    this.#begun = true;
    if (char !== ':') this.#name = null;
    if (char !== '"') this.#last = null;
  }

  #beginString(): void {
    this.#inString = true;
    this.#text = '';
    this.#member = this.#depth === 1 ? this.#name : null;
  }

  #endString(): void {
    this.#inString = false;
    const isName = this.#member === null && this.#depth === 1 && this.#text.length <= NAME_BYTES_MAX;
    this.#last = isName ? this.#text : null;
    this.#member = null;
  }

  #takeName(): void {
    this.#name = this.#last === null ? null : unescaped(this.#last);
  }
}

const WHITE_SPACE = ' \t\r\n';
/** Numbers, `true`, `false`, `null`, and the comma between values. */
const SCALAR = /[0-9a-zA-Z+.,-]/;

/** A JSON string's content as bytes in latin1; null if it is none. */
function unescaped(text: string): string | null {
  if (!text.includes('\\')) return text;
  try {
    const parsed: unknown = JSON.parse(`"${Buffer.from(text, 'latin1').toString('utf8')}"`);
    return typeof parsed === 'string' ? fieldText(parsed.toWellFormed()) : null;
  } catch {
    return null;
  }
}
