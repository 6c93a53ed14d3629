import { generateKeyPairSync } from 'node:crypto';
import forge from 'node-forge';

/** A certificate with its key, both PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

interface Wish {
  readonly names: readonly string[];
  /** Days from now; negative for one that has expired. */
  readonly days?: number;
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
  issue({ names, days = 7 }: Wish): Pair {
    const keys = keyPair();
    const certificate = this.#draft([{ name: 'commonName', value: names[0] ?? 'test' }], keys.publicKey, days);
    certificate.setIssuer(this.#certificate.subject.attributes);
    const altNames = names.map((name) => (/^[\d.]+$|:/.test(name) ? { type: 7, ip: name } : { type: 2, value: name }));
    certificate.setExtensions([
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames },
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
    certificate.validity.notBefore = new Date(Date.now() - 40 * 86_400_000);
    certificate.validity.notAfter = new Date(Date.now() + days * 86_400_000);
    certificate.setSubject(subject);
    return certificate;
  }
}

/** Node makes the primes in a tenth of forge's time. */
function keyPair(): forge.pki.rsa.KeyPair {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = forge.pki.privateKeyFromPem(
    privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
  ) as forge.pki.rsa.PrivateKey;
  return { privateKey: key, publicKey: forge.pki.setRsaPublicKey(key.n, key.e) };
}
