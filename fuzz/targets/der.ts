import forge from 'node-forge';
import * as der from '../../src/tls/der.ts';
import { holds, same, type Target } from '../target.ts';

/** Makes a DER value of the bytes of an input: each byte chooses what comes next, and what is in it. */
class Builder {
  readonly #input: Buffer;
  #at = 0;

  constructor(input: Buffer) {
    this.#input = input;
  }

  #byte(): number {
    return this.#input[this.#at++] ?? 0;
  }

  #bytes(): Buffer {
    const length = this.#byte();
    const bytes = this.#input.subarray(this.#at, this.#at + length);
    this.#at += length;
    // Long contents, whose length takes more than an octet, out of short inputs.
    return length % 7 === 3 ? Buffer.concat(Array.from({ length: 40 }, () => bytes)) : bytes;
  }

  /** An element, and what a reader should find in it. */
  element(depth: number): Built {
    const choice = this.#byte() % 9;
    if (choice >= 6 && depth > 0) return this.#constructed(choice, depth);
    const bytes = this.#bytes();
    switch (choice) {
      case 0:
        return { der: der.octetString(bytes), tag: 4, value: bytes.toString('latin1') };
      case 1:
        return { der: der.integer(bytes), tag: 2, value: magnitudeOf(bytes) };
      case 2:
        return {
          der: der.utf8String(bytes.toString('latin1')),
          tag: 12,
          value: Buffer.from(bytes.toString('latin1')).toString('latin1'),
        };
      case 3:
        return { der: der.boolean(bytes.length % 2 === 0), tag: 1, value: bytes.length % 2 === 0 ? '\xff' : '\0' };
      case 4:
        return { der: der.implicit(bytes.length % 8, bytes), tag: bytes.length % 8, value: bytes.toString('latin1') };
      default:
        return this.#identifier(bytes);
    }
  }

  #constructed(choice: number, depth: number): Built {
    const parts = Array.from({ length: this.#byte() % 5 }, () => this.element(depth - 1));
    const encoded = parts.map((part) => part.der);
    if (choice === 6) return { der: der.sequence(...encoded), tag: 16, value: parts };
    if (choice === 7) {
      const sorted = parts.toSorted((one, other) => Buffer.compare(one.der, other.der));
      return { der: der.setOf(...encoded), tag: 17, value: sorted };
    }
    const inner = this.element(depth - 1);
    return { der: der.explicit(3, inner.der), tag: 3, value: [inner] };
  }

  #identifier(bytes: Buffer): Built {
    const arcs = [...bytes].map((byte, index) => byte * 2 ** (index % 3 === 0 ? 0 : 20));
    const dotted = [(bytes[0] ?? 0) % 3, (bytes[0] ?? 0) % 40, ...arcs].join('.');
    return { der: der.objectIdentifier(dotted), tag: 6, value: { dotted } };
  }
}

interface Built {
  readonly der: Buffer;
  readonly tag: number;
  readonly value: string | readonly Built[] | { readonly dotted: string };
}

/** The contents of an INTEGER of that magnitude (X.690 section 8.3): shortest, and not negative. */
function magnitudeOf(bytes: Buffer): string {
  const digits = bytes.toString('hex');
  const shortest = BigInt(digits === '' ? '0' : `0x${digits}`).toString(16);
  const even = shortest.length % 2 === 0 ? shortest : `0${shortest}`;
  return Buffer.from(Number.parseInt(even.slice(0, 2), 16) >= 0x80 ? `00${even}` : even, 'hex').toString('latin1');
}

function checkRead(read: forge.asn1.Asn1, { tag, value }: Built): void {
  same('the tag is read', Number(read.type), tag);
  if (typeof value === 'string') same('the contents are read', contentsOf(read), value);
  else if ('dotted' in value) same('the identifier is read', forge.asn1.derToOid(contentsOf(read)), value.dotted);
  else checkParts(read, value);
}

function checkParts(read: forge.asn1.Asn1, expected: readonly Built[]): void {
  const parts = Array.isArray(read.value) ? read.value : [];
  same('all parts are read', parts.length, expected.length);
  for (const [index, part] of expected.entries()) {
    const child = parts[index];
    if (child !== undefined) checkRead(child, part);
  }
}

/** node-forge looks into bit strings only; a primitive value is its bytes. */
const contentsOf = (read: forge.asn1.Asn1): string => (typeof read.value === 'string' ? read.value : '');

/** What our DER writer writes, node-forge reads: every tag, length and content, nested. */
export const target: Target = {
  name: 'der',
  seeds: [
    Buffer.from([6, 3, 0, 2, 1, 2, 1, 2, 0x80, 0, 2, 1, 65]),
    Buffer.from([7, 2, 0, 1, 9, 0, 1, 5]),
    Buffer.from([8, 0, 5, 4, 1, 2, 3, 200]),
    Buffer.from([0, 10, ...Buffer.alloc(10, 7)]),
    Buffer.from([3, 1, 1]),
    Buffer.from([4, 3, 1, 2, 3]),
  ],
  dictionary: ['\0', '\x01\x80', '\x06\x03', '\x07\x02', '\x08', '\x7f', '\x80', '\xff', '\x01\x00'],
  bytesMax: 300,
  check(input) {
    const built = new Builder(input).element(4);
    // It throws at a length that is not minimal and at bytes too many.
    const read = forge.asn1.fromDer(built.der.toString('latin1'), true);
    holds('something is written', built.der.length >= 2);
    checkRead(read, built);
  },
};
