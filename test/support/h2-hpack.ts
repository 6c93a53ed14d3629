import assert from 'node:assert';

/** Name and value, one character a byte. */
export type Field = readonly [name: string, value: string];

/** How a field stood in its block: `never` is a literal that no hop may put into a table (RFC 7541 section 7.1.3). */
export type Representation = 'indexed' | 'added' | 'literal' | 'never';

export interface DecodedField {
  readonly name: string;
  readonly value: string;
  readonly as: Representation;
}

/** RFC 7541 appendix A: from 1. */
const STATIC = `:authority
:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204|:status 206|:status 304
:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate|accept-language|accept-ranges|accept
access-control-allow-origin|age|allow|authorization|cache-control|content-disposition|content-encoding|content-language
content-length|content-location|content-range|content-type|cookie|date|etag|expect|expires|from|host|if-match
if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|link|location|max-forwards|proxy-authenticate
proxy-authorization|range|referer|refresh|retry-after|server|set-cookie|strict-transport-security|transfer-encoding
user-agent|vary|via|www-authenticate`
  .split(/[|\n]/)
  .map((entry): Field => {
    const space = entry.indexOf(' ');
    return space < 0 ? [entry, ''] : [entry.slice(0, space), entry.slice(space + 1)];
  });
assert(STATIC.length === 61);

/**
 * RFC 7541 appendix B. The code is canonical, so the length of each symbol's code is all there is to know: a letter a symbol, `A` for five bits.
 */
const HUFFMAN_LENGTHS =
  'ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHFIBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJBKABABABBBACCBBBABCBAABCCCCCKGJI' +
  'XPRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRSVVPORSRUVVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWV';
const symbolByCode = huffmanCodes();

/** Bits as text to symbol. */
function huffmanCodes(): ReadonlyMap<string, number> {
  const lengths = [...HUFFMAN_LENGTHS].map((letter) => letter.charCodeAt(0) - 60);
  assert(lengths.length === 256);
  const symbols = [...lengths.keys()].sort((one, other) => bitsOf(one) - bitsOf(other) || one - other);
  const codes = new Map<string, number>();
  let code = 0;
  let length = 0;
  for (const symbol of symbols) {
    code *= 2 ** (bitsOf(symbol) - length);
    length = bitsOf(symbol);
    codes.set(code.toString(2).padStart(length, '0'), symbol);
    code++;
  }
  return codes;

  function bitsOf(symbol: number): number {
    return lengths[symbol] ?? 0;
  }
}

export function decodeHuffman(bytes: Buffer): string {
  let text = '';
  let code = '';
  for (const bit of [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')) {
    code += bit;
    const symbol = symbolByCode.get(code);
    if (symbol === undefined) continue;
    text += String.fromCharCode(symbol);
    code = '';
  }
  if (!/^1{0,7}$/.test(code)) throw new Error(`the Huffman code ends in ${code}`);
  return text;
}

export function encodeHuffman(text: string): Buffer {
  const codeBySymbol = new Map([...symbolByCode].map(([code, symbol]) => [symbol, code]));
  const bits = [...Buffer.from(text, 'latin1')].map((byte) => codeBySymbol.get(byte) ?? '').join('');
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1');
  return Buffer.from((padded.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

/** RFC 7541 section 5.1; `pattern` is what stands in the first byte above the prefix. */
export function integer(value: number, prefixBits: number, pattern = 0): Buffer {
  const most = 2 ** prefixBits - 1;
  if (value < most) return Buffer.from([pattern | value]);
  const bytes = [pattern | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

const plain = (text: string): Buffer => {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([integer(bytes.length, 7), bytes]);
};

/** A string in Huffman's code, or bytes that pretend to be one. */
export const huffman = (text: string | Buffer): Buffer => {
  const bytes = typeof text === 'string' ? encodeHuffman(text) : text;
  return Buffer.concat([integer(bytes.length, 7, 0x80), bytes]);
};

const FIRST_BYTE = { literal: 0x00, never: 0x10, added: 0x40 } as const;

/** A field with its name and value spelled out, whatever they are. */
export const literal = ([name, value]: Field, as: keyof typeof FIRST_BYTE = 'literal'): Buffer =>
  Buffer.concat([Buffer.from([FIRST_BYTE[as]]), plain(name), plain(value)]);

/** A field of either table: the dynamic one begins at 62, with what was added last. */
export const indexed = (index: number): Buffer => integer(index, 7, 0x80);

export const tableSizeUpdate = (bytes: number): Buffer => integer(bytes, 5, 0x20);

/** A header block of literals, so that it needs no state. */
export const block = (fields: readonly Field[]): Buffer => Buffer.concat(fields.map((field) => literal(field)));

/** Reads header blocks, in the order in which they came. */
export class HpackDecoder {
  #dynamic: Field[] = [];
  #sizeMax = 4096;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  decode(bytes: Buffer): readonly DecodedField[] {
    this.#bytes = bytes;
    this.#at = 0;
    const fields: DecodedField[] = [];
    while (this.#at < bytes.length) {
      const field = this.#next(bytes[this.#at] ?? 0);
      if (field !== null) fields.push(field);
    }
    return fields;
  }

  #next(first: number): DecodedField | null {
    if (first >= 0x80) {
      const [name, value] = this.#entry(this.#integer(7));
      return { name, value, as: 'indexed' };
    }
    if (first >= 0x40) {
      const [name, value] = this.#literal(6);
      this.#dynamic.unshift([name, value]);
      this.#evict();
      return { name, value, as: 'added' };
    }
    if (first >= 0x20) {
      this.#sizeMax = this.#integer(5);
      this.#evict();
      return null;
    }
    const [name, value] = this.#literal(4);
    return { name, value, as: first >= 0x10 ? 'never' : 'literal' };
  }

  #literal(prefixBits: number): Field {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#string() : this.#entry(index)[0];
    return [name, this.#string()];
  }

  #entry(index: number): Field {
    const entry = index <= STATIC.length ? STATIC[index - 1] : this.#dynamic[index - STATIC.length - 1];
    if (entry === undefined) throw new Error(`there is no field ${index}`);
    return entry;
  }

  #evict(): void {
    const size = (): number => this.#dynamic.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    while (size() > this.#sizeMax) this.#dynamic.pop();
  }

  #integer(prefixBits: number): number {
    const most = 2 ** prefixBits - 1;
    let value = this.#byte() & most;
    if (value < most) return value;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  #string(): string {
    const isHuffman = ((this.#bytes[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return isHuffman ? decodeHuffman(bytes) : bytes.toString('latin1');
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new Error('the block ends within a field');
    return byte;
  }
}
