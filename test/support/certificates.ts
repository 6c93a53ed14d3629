import { generateKeyPairSync } from 'node:crypto';
import forge from 'node-forge';

/** A certificate with its key, both PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface Wish {
  readonly names: readonly string[];
  /** Days from now; negative for one that has expired. */
  readonly days?: number;
  /** Days from now at which it begins to be valid. */
  readonly sinceDays?: number;
  /** What it may be used for. */
  readonly usage?: 'serverAuth' | 'clientAuth';
  /** False: the first name stands in the subject alone, as it did before RFC 2818. */
  readonly altNames?: boolean;
}

let serial = 1;

/** A certificate authority of the test's own, made by node-forge, so that nothing of ours is on both sides of a handshake. */
export class TestAuthority {
  readonly #keys: forge.pki.rsa.KeyPair;
  readonly #certificate: forge.pki.Certificate;
  readonly pem: string;

  constructor(name = 'Test Root', days = 30) {
    this.#keys = keyPair();
    this.#certificate = this.#draft([{ name: 'commonName', value: name }], this.#keys.publicKey, days);
    this.#certificate.setExtensions([
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
      { name: 'subjectKeyIdentifier' },
    ]);
    this.#certificate.setIssuer(this.#certificate.subject.attributes);
    this.#certificate.sign(this.#keys.privateKey, forge.md.sha256.create());
    this.pem = forge.pki.certificateToPem(this.#certificate);
  }

  /** For a proxy that is to sign with it. */
  get keyPem(): string {
    return forge.pki.privateKeyToPem(this.#keys.privateKey);
  }

  /** A server certificate for names and addresses. */
  issue({ names, days = 7, sinceDays = -40, usage = 'serverAuth', altNames = true }: Wish): Pair {
    const keys = keyPair();
    const certificate = this.#draft([{ name: 'commonName', value: names[0] ?? 'test' }], keys.publicKey, days);
    certificate.validity.notBefore = daysFromNow(sinceDays);
    certificate.setIssuer(this.#certificate.subject.attributes);
    certificate.setExtensions([
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
      { name: 'extKeyUsage', [usage]: true },
      ...(altNames ? [{ name: 'subjectAltName', altNames: names.map(altNameOf) }] : []),
    ]);
    certificate.sign(this.#keys.privateKey, forge.md.sha256.create());
    return { cert: forge.pki.certificateToPem(certificate), key: forge.pki.privateKeyToPem(keys.privateKey) };
  }

  #draft(
    subject: forge.pki.CertificateField[],
    publicKey: forge.pki.rsa.PublicKey,
    days: number,
  ): forge.pki.Certificate {
    const certificate = forge.pki.createCertificate();
    certificate.publicKey = publicKey;
    certificate.serialNumber = (serial++).toString(16).padStart(4, '0');
    certificate.validity.notBefore = daysFromNow(-40);
    certificate.validity.notAfter = daysFromNow(days);
    certificate.setSubject(subject);
    return certificate;
  }
}

/** A certificate that a leaf signed as if it were an authority, with that leaf behind it as its chain. */
export function issuedByLeaf(leaf: Pair, name: string): Pair {
  const { cert, key } = new TestAuthority().issue({ names: [name] });
  const certificate = forge.pki.certificateFromPem(cert);
  certificate.setIssuer(forge.pki.certificateFromPem(leaf.cert).subject.attributes);
  certificate.sign(forge.pki.privateKeyFromPem(leaf.key) as forge.pki.rsa.PrivateKey, forge.md.sha256.create());
  return { cert: forge.pki.certificateToPem(certificate) + leaf.cert, key };
}

const daysFromNow = (days: number): Date => new Date(Date.now() + days * 86_400_000);

const altNameOf = (name: string) => (/^[\d.]+$|:/.test(name) ? { type: 7, ip: name } : { type: 2, value: name });

/** Node makes the primes in a tenth of forge's time. */
function keyPair(): forge.pki.rsa.KeyPair {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = forge.pki.privateKeyFromPem(
    privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
  ) as forge.pki.rsa.PrivateKey;
  return { privateKey: key, publicKey: forge.pki.setRsaPublicKey(key.n, key.e) };
}
