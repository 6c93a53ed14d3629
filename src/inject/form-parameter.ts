import { formBytes } from './percent.ts';

/** A longer name than any that a policy could sensibly bind: it is not kept, and matches nothing. */
const NAME_BYTES_MAX = 256;

/**
 * Reads `application/x-www-form-urlencoded` as it streams, only as far as needed to say in which parameter a place is. Characters that no
 * encoder leaves as they are (the body may be JSON to a server that does not look at Content-Type) are doubt from there on, and a `;`
 * is doubt within its pair, since some servers end it there.
 */
export class FormParameter {
  #name = '';
  #inValue = false;
  #splits = false;
  #doubtful = false;

  /** The name of the parameter, in bytes (latin1), whose value the next character is in; null if it is in none, or in doubt. */
  get name(): string | null {
    const known = this.#inValue && !this.#splits && !this.#doubtful && this.#name.length <= NAME_BYTES_MAX;
    return known ? formBytes(this.#name) : null;
  }

  /** @param text the next part of the body, one character a byte */
  read(text: string): void {
    if (FOREIGN.test(text)) this.#doubtful = true;
    if (this.#doubtful) return;
    const start = text.lastIndexOf('&') + 1;
    if (start > 0) this.#begin();
    const pair = text.slice(start);
    const equals = this.#inValue ? -1 : pair.indexOf('=');
    if (!this.#inValue && this.#name.length <= NAME_BYTES_MAX)
      this.#name += equals === -1 ? pair : pair.slice(0, equals);
    if (equals !== -1) this.#inValue = true;
    if (pair.includes(';')) this.#splits = true;
  }

  #begin(): void {
    this.#name = '';
    this.#inValue = false;
    this.#splits = false;
  }
}

/** Whatever the URL standard's form serializer and RFC 3986 would have escaped. */
const FOREIGN = /[^A-Za-z0-9\-._~!$&'()*+,;=:@/?%]/;
