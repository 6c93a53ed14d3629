import { createHash, type KeyObject, randomBytes, sign } from 'node:crypto';
import { parseIp } from '../address/ip.ts';
import * as der from './der.ts';

/** The algorithms by which a CA key signs, by the kind of key. RFC 5758 3.2 and RFC 4055 5; only RSA has NULL parameters. */
const SIGNATURES: Readonly<Record<string, { readonly hash: string; readonly algorithm: Buffer }>> = {
  'ec prime256v1': { hash: 'sha256', algorithm: der.sequence(der.objectIdentifier('1.2.840.10045.4.3.2')) },
  'ec secp384r1': { hash: 'sha384', algorithm: der.sequence(der.objectIdentifier('1.2.840.10045.4.3.3')) },
  'ec secp521r1': { hash: 'sha512', algorithm: der.sequence(der.objectIdentifier('1.2.840.10045.4.3.4')) },
  rsa: {
    hash: 'sha256',
    algorithm: der.sequence(der.objectIdentifier('1.2.840.113549.1.1.11'), der.nullValue()),
  },
};

const RSA_BITS_MIN = 2048;
const BACKDATE_MS = 3_600_000;

/** Signs certificates. The key lives in a closure, so nothing that prints or serialises this can reach it. */
export interface Signer {
  /** The AlgorithmIdentifier, DER. */
  readonly algorithm: Buffer;
  sign(toBeSigned: Uint8Array): Buffer;
}

/** What a leaf takes from the certificate above it. */
export interface Issuer {
  /** The issuer's subject as it stands in its certificate, DER: names are compared byte by byte by many readers. */
  readonly name: Buffer;
  /** The bytes of its subject key identifier, copied and never computed again: other CAs use other methods (RFC 5280 4.2.1.1). */
  readonly keyId: Buffer;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly signer: Signer;
}

/** The signer of a private key, or null for a kind of key that we do not sign with. */
export function signerOf(key: KeyObject): Signer | null {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  const kind = key.asymmetricKeyType;
  if (kind === 'rsa' && (modulusLength ?? 0) < RSA_BITS_MIN) return null;
  const signature = SIGNATURES[kind === 'ec' ? `ec ${namedCurve}` : String(kind)];
  if (signature === undefined) return null;
  return {
    algorithm: signature.algorithm,
    sign: (toBeSigned) => sign(signature.hash, toBeSigned, key),
  };
}

/** A Name with a common name alone, DER. */
const nameOf = (commonName: string): Buffer =>
  der.sequence(der.setOf(der.sequence(der.objectIdentifier('2.5.4.3'), der.utf8String(commonName))));

/** RFC 7093 2 (1): the first 160 bits of the SHA-256 of the public key. (RFC 5280's own method is SHA-1, absent in FIPS mode.) */
export function keyIdOf(publicKey: KeyObject): Buffer {
  const { data } = subjectPublicKey(publicKey);
  return createHash('sha256').update(data).digest().subarray(0, 20);
}

/** The SubjectPublicKeyInfo, and the bits of its key: everything after the AlgorithmIdentifier and the BIT STRING's own head. */
function subjectPublicKey(publicKey: KeyObject): { readonly info: Buffer; readonly data: Buffer } {
  const info = publicKey.export({ type: 'spki', format: 'der' });
  const details = publicKey.asymmetricKeyDetails?.namedCurve;
  // An EC point is the tail of its SPKI; the only keys that we make are P-256, whose point is 65 octets.
  if (details !== 'prime256v1') throw new TypeError('certificates are made for P-256 keys only');
  return { info, data: info.subarray(-65) };
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  // DEFAULT FALSE is left out in DER (X.690 11.5).
  const flag = critical ? [der.boolean(true)] : [];
  return der.sequence(der.objectIdentifier(id), ...flag, der.octetString(value));
}

const subjectKeyIdentifier = (keyId: Buffer): Buffer => extension('2.5.29.14', false, der.octetString(keyId));
const authorityKeyIdentifier = (keyId: Buffer): Buffer =>
  extension('2.5.29.35', false, der.sequence(der.implicit(0, keyId)));

// Bits of KeyUsage, RFC 5280 4.2.1.3.
const DIGITAL_SIGNATURE = 0;
const KEY_CERT_SIGN = 5;
const CRL_SIGN = 6;

interface ToBeSigned {
  readonly issuer: Buffer;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly subject: Buffer;
  readonly publicKeyInfo: Buffer;
  readonly extensions: readonly Buffer[];
}

const VERSION_3 = der.explicit(0, der.integer(Uint8Array.of(2)));

/** RFC 5280 4.1.2.2: positive, unique, at most 20 octets. 126 random bits; the fixed second bit keeps the length at 16. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return der.integer(bytes);
}

function signed(parts: ToBeSigned, signer: Signer): Buffer {
  const toBeSigned = der.sequence(
    VERSION_3,
    serialNumber(),
    signer.algorithm,
    parts.issuer,
    der.sequence(der.time(parts.notBeforeMs), der.time(parts.notAfterMs)),
    parts.subject,
    parts.publicKeyInfo,
    der.explicit(3, der.sequence(...parts.extensions)),
  );
  return der.sequence(toBeSigned, signer.algorithm, der.bitString(signer.sign(toBeSigned)));
}

export interface RootOptions {
  readonly commonName: string;
  /** A P-256 pair. */
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly nowMs: number;
  readonly lifetimeMs: number;
}

/**
 * A self-signed root, DER. It may sign leaves and no further CA. Readers that are strict (Python from 3.13 on) want the subject key
 * identifier and both critical extensions.
 */
export function buildRoot(options: RootOptions): Buffer {
  const signer = signerOf(options.privateKey);
  if (signer === null) throw new TypeError('a root needs a key that can sign');
  const name = nameOf(options.commonName);
  return signed(
    {
      issuer: name,
      notBeforeMs: options.nowMs - BACKDATE_MS,
      notAfterMs: options.nowMs + options.lifetimeMs,
      subject: name,
      publicKeyInfo: subjectPublicKey(options.publicKey).info,
      extensions: [
        extension('2.5.29.19', true, der.sequence(der.boolean(true), der.integer(Uint8Array.of(0)))),
        extension('2.5.29.15', true, der.namedBits(KEY_CERT_SIGN, CRL_SIGN)),
        subjectKeyIdentifier(keyIdOf(options.publicKey)),
      ],
    },
    signer,
  );
}

/** A leaf and when it is valid. */
export interface Leaf {
  readonly certificate: Buffer;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface LeafTemplate {
  /**
   * A leaf for a canonical host (name, or IP literal, IPv6 in brackets), valid from an hour ago until `lifetimeMs` from now or the
   * end of its issuer, whichever is sooner.
   */
  issue(host: string, nowMs: number, lifetimeMs: number): Leaf;
}

/** Prepares everything that leaves of one key under one issuer have in common. */
export function leafTemplate(issuer: Issuer, publicKey: KeyObject): LeafTemplate {
  const common = [
    extension('2.5.29.19', true, der.sequence()),
    extension('2.5.29.15', true, der.namedBits(DIGITAL_SIGNATURE)),
    extension('2.5.29.37', false, der.sequence(der.objectIdentifier('1.3.6.1.5.5.7.3.1'))),
    subjectKeyIdentifier(keyIdOf(publicKey)),
    authorityKeyIdentifier(issuer.keyId),
  ];
  const publicKeyInfo = subjectPublicKey(publicKey).info;
  // A common name holds 64 characters, a host 253: the subject stays empty, and then the SAN is critical (RFC 5280 4.2.1.6).
  const subject = der.sequence();
  return {
    issue(host, nowMs, lifetimeMs) {
      const notBeforeMs = Math.max(nowMs - BACKDATE_MS, issuer.notBeforeMs);
      const notAfterMs = Math.min(nowMs + lifetimeMs, issuer.notAfterMs);
      const alternativeName = extension('2.5.29.17', true, der.sequence(generalName(host)));
      const extensions = [...common, alternativeName];
      const parts = { issuer: issuer.name, notBeforeMs, notAfterMs, subject, publicKeyInfo, extensions };
      return { certificate: signed(parts, issuer.signer), notBeforeMs, notAfterMs };
    },
  };
}

/** RFC 5280 4.2.1.6: dNSName is [2], iPAddress is [7] with 4 or 16 octets. Clients look for an address only in the latter. */
function generalName(host: string): Buffer {
  const ip = parseIp(host.startsWith('[') ? host.slice(1, -1) : host);
  return ip === null ? der.implicit(2, Buffer.from(host, 'latin1')) : der.implicit(7, ip.bytes);
}
