/**
 * Reads from a certificate what `node:crypto` does not show: the subject as DER, and the extensions that decide whether strict readers
 * accept it as a CA. The bytes have been parsed by OpenSSL before (`new X509Certificate`); this only walks over them again.
 */
export interface CertificateFields {
  /** The subject Name, DER, exactly as it stands. */
  readonly subject: Buffer;
  readonly subjectKeyId: Buffer | null;
  readonly basicConstraints: { readonly critical: boolean; readonly ca: boolean } | null;
  readonly keyUsage: { readonly critical: boolean; readonly certSign: boolean } | null;
}

interface Element {
  readonly tag: number;
  /** Tag, length and contents. */
  readonly whole: Buffer;
  readonly contents: Buffer;
}

const TAG = { boolean: 0x01, version: 0xa0, extensions: 0xa3 } as const;
const ID = { subjectKeyId: '551d0e', keyUsage: '551d0f', basicConstraints: '551d13' } as const;
const LENGTH_OCTETS_MAX = 4;

/** @throws RangeError where the bytes are not a certificate. */
export function readCertificate(certificate: Buffer): CertificateFields {
  const toBeSigned = childrenOf(childrenOf(elementAt(certificate, 0).contents)[0]?.contents);
  // The version is optional; the subject is the fifth field after it (RFC 5280 4.1).
  const first = toBeSigned[0]?.tag === TAG.version ? 1 : 0;
  const subject = toBeSigned[first + 4];
  if (subject === undefined) throw new RangeError('a certificate without a subject');
  const list = toBeSigned.find((field) => field.tag === TAG.extensions);
  const extensions = list === undefined ? [] : childrenOf(elementAt(list.contents, 0).contents);
  const found = new Map(extensions.map((extension) => readExtension(extension.contents)));
  const subjectKeyId = found.get(ID.subjectKeyId);
  const basicConstraints = found.get(ID.basicConstraints);
  const keyUsage = found.get(ID.keyUsage);
  return {
    subject: subject.whole,
    subjectKeyId: subjectKeyId === undefined ? null : elementAt(subjectKeyId.value, 0).contents,
    basicConstraints:
      basicConstraints === undefined
        ? null
        : { critical: basicConstraints.critical, ca: hasCaTrue(basicConstraints.value) },
    keyUsage: keyUsage === undefined ? null : { critical: keyUsage.critical, certSign: hasCertSign(keyUsage.value) },
  };
}

interface ExtensionValue {
  readonly critical: boolean;
  readonly value: Buffer;
}

function readExtension(contents: Buffer): readonly [id: string, ExtensionValue] {
  const parts = childrenOf(contents);
  const value = parts.at(-1)?.contents ?? Buffer.alloc(0);
  const critical = parts[1]?.tag === TAG.boolean && parts[1].contents[0] !== 0;
  return [parts[0]?.contents.toString('hex') ?? '', { critical, value }];
}

/** BasicConstraints begins with `cA BOOLEAN DEFAULT FALSE` (RFC 5280 4.2.1.9). */
function hasCaTrue(value: Buffer): boolean {
  const [first] = childrenOf(elementAt(value, 0).contents);
  return first?.tag === TAG.boolean && first.contents[0] !== 0;
}

/** KeyUsage is a BIT STRING; its first content octet counts unused bits, and keyCertSign is bit 5 (RFC 5280 4.2.1.3). */
const hasCertSign = (value: Buffer): boolean => ((elementAt(value, 0).contents[1] ?? 0) & 0x04) !== 0;

function childrenOf(contents: Buffer | undefined): readonly Element[] {
  const children: Element[] = [];
  if (contents === undefined) return children;
  for (let at = 0; at < contents.length; ) {
    const child = elementAt(contents, at);
    children.push(child);
    at += child.whole.length;
  }
  return children;
}

function elementAt(bytes: Buffer, at: number): Element {
  const tag = bytes.readUInt8(at);
  const first = bytes.readUInt8(at + 1);
  const lengthOctets = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || lengthOctets > LENGTH_OCTETS_MAX) throw new RangeError('not a DER length');
  const length = lengthOctets === 0 ? first : bytes.readUIntBE(at + 2, lengthOctets);
  const start = at + 2 + lengthOctets;
  if (start + length > bytes.length) throw new RangeError('an element runs past its parent');
  return { tag, whole: bytes.subarray(at, start + length), contents: bytes.subarray(start, start + length) };
}
