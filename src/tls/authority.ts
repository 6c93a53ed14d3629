import { createHash, type KeyObject, type X509Certificate } from 'node:crypto';
import { type Issuer, type LeafTemplate, leafTemplate, type Signer, signerOf } from './certificate.ts';
import { type CertificateFields, readCertificate } from './certificate-reader.ts';
import { pemOfAll, readCertificates } from './pem.ts';

/** What is wrong with a CA, for people: which file, what is wrong, and what to do. Says nothing about the key itself. */
export class AuthorityError extends Error {
  override readonly name = 'AuthorityError';
  readonly file: string;
  readonly problem: string;
  readonly remedy: string;

  constructor(file: string, problem: string, remedy: string) {
    super(`${file}  ${problem}; ${remedy}`);
    this.file = file;
    this.problem = problem;
    this.remedy = remedy;
  }
}

/** The pair of files that an authority is read from, as text and with the names that messages use. */
export interface AuthorityFiles {
  readonly caFile: string;
  readonly caPem: string;
  readonly keyFile: string;
  readonly key: KeyObject;
}

/**
 * A certificate authority, in force: signs leaves, and knows the public texts that clients need. Its key is inside a closure behind a
 * private field, so neither `inspect` nor `JSON.stringify` can show it.
 */
export class Authority {
  /** What a client adds to its roots: everything in ca.pem, and nothing but its certificates. */
  readonly caPem: string;
  /** What follows the leaf in a handshake: the intermediates up to a root, which stays out. Empty if a root signs. */
  readonly chainPem: string;
  /** Subject of the certificate that signs, one line. */
  readonly subject: string;
  /** SHA-256 of the certificate that signs, in pairs of hex digits with colons. */
  readonly fingerprint: string;
  readonly notBefore: Date;
  /** The end of the certificate that signs or of one above it, whichever comes first: no leaf lives longer. */
  readonly notAfter: Date;
  /** Subject key identifier of the certificate that signs, hex. */
  readonly keyId: string;
  /** Changes when anything does: two authorities with one id are the same. */
  readonly id: string;
  readonly #issuer: Issuer;

  constructor(certificates: readonly X509Certificate[], chain: readonly X509Certificate[], issuer: Issuer) {
    const [signing] = chain;
    if (signing === undefined) throw new TypeError('an authority needs the certificate that signs');
    this.caPem = pemOfAll(certificates);
    this.chainPem = pemOfAll(chain.filter((certificate) => !isSelfSigned(certificate)));
    this.subject = signing.subject.replaceAll('\n', ', ');
    this.fingerprint = signing.fingerprint256;
    this.notBefore = new Date(issuer.notBeforeMs);
    this.notAfter = new Date(issuer.notAfterMs);
    this.keyId = issuer.keyId.toString('hex');
    this.id = createHash('sha256').update(this.fingerprint).update(this.caPem).digest('hex');
    this.#issuer = issuer;
  }

  /** Prepares leaves for one public key (P-256); see `LeafTemplate`. */
  leafTemplate(publicKey: KeyObject): LeafTemplate {
    return leafTemplate(this.#issuer, publicKey);
  }
}

/**
 * The authority of a ca.pem and its key. ca.pem may hold several certificates, an intermediate with its chain or two roots during a
 * rotation (SEMANTICS.md 13): the one that belongs to the key signs.
 * @throws AuthorityError if the pair cannot sign leaves that strict clients accept
 */
export function authorityOf(files: AuthorityFiles, nowMs: number): Authority {
  const certificates = certificatesIn(files.caPem, files.caFile);
  const signer = signerOf(files.key);
  if (signer === null) {
    throw new AuthorityError(
      files.keyFile,
      'is a kind of key that cannot be used',
      'use ECDSA P-256 or P-384, or RSA of 2048 bits or more',
    );
  }
  const signing = certificates.find((certificate) => certificate.checkPrivateKey(files.key));
  if (signing === undefined) {
    throw new AuthorityError(
      files.caFile,
      `holds no certificate of the key in ${files.keyFile}`,
      'put back the pair that belongs together, or move both files away to have a new CA made',
    );
  }
  const chain = chainFrom(signing, certificates);
  for (const certificate of chain) assertInForce(certificate, files.caFile, nowMs);
  const issuer = issuerOf(signing, chain, signer, files.caFile);
  return new Authority(certificates, chain, issuer);
}

function certificatesIn(pem: string, file: string): readonly X509Certificate[] {
  const reading = readCertificates(pem);
  if (reading.kind === 'certificates') return reading.certificates;
  throw new AuthorityError(
    file,
    reading.why,
    'put it back from a copy, or move it and its key away to have a new CA made',
  );
}

const isSelfSigned = (certificate: X509Certificate): boolean => certificate.checkIssued(certificate);

/** The certificate and those above it, as far as they are in the file. Each is taken once, so a loop of cross-signing ends. */
function chainFrom(signing: X509Certificate, pool: readonly X509Certificate[]): readonly X509Certificate[] {
  const chain = [signing];
  for (let top: X509Certificate | undefined = signing; top !== undefined && !isSelfSigned(top); ) {
    const below: X509Certificate = top;
    top = pool.find((candidate) => !chain.includes(candidate) && below.checkIssued(candidate));
    if (top !== undefined) chain.push(top);
  }
  return chain;
}

function assertInForce(certificate: X509Certificate, file: string, nowMs: number): void {
  const { validFromDate, validToDate } = certificate;
  if (nowMs > validToDate.getTime()) {
    throw new AuthorityError(
      file,
      `expired on ${validToDate.toISOString().slice(0, 10)}`,
      'move ca.pem and ca-key.pem away to have a new CA made, then give the new ca.pem to the sandboxes',
    );
  }
  if (nowMs < validFromDate.getTime()) {
    throw new AuthorityError(
      file,
      `is valid only from ${validFromDate.toISOString()} on`,
      'set the clock of this machine right, or use a certificate that is in force',
    );
  }
}

function fieldsOf(certificate: X509Certificate, file: string): CertificateFields {
  try {
    return readCertificate(certificate.raw);
  } catch {
    // OpenSSL reads some BER that is not DER; what we could not copy exactly we do not sign under.
    throw new AuthorityError(file, 'is not encoded in DER', 'have the CA certificate issued again');
  }
}

function issuerOf(signing: X509Certificate, chain: readonly X509Certificate[], signer: Signer, file: string): Issuer {
  const fields = fieldsOf(signing, file);
  const remedy = 'use a CA certificate with these extensions (RFC 5280 4.2.1), e.g. one made by "postern ca init"';
  const refuse = (problem: string): AuthorityError => new AuthorityError(file, problem, remedy);
  if (fields.basicConstraints?.ca !== true) throw refuse('is not a CA: it has no basicConstraints CA:TRUE');
  if (!fields.basicConstraints.critical)
    throw refuse('has basicConstraints that are not critical, which strict clients refuse');
  if (fields.keyUsage === null) throw refuse('has no keyUsage, which strict clients refuse');
  if (!fields.keyUsage.certSign) throw refuse('may not sign certificates: its keyUsage lacks keyCertSign');
  if (fields.subjectKeyId === null)
    throw refuse('has no subjectKeyIdentifier, without which strict clients refuse its leaves');
  return {
    name: fields.subject,
    keyId: fields.subjectKeyId,
    notBeforeMs: signing.validFromDate.getTime(),
    notAfterMs: Math.min(...chain.map((certificate) => certificate.validToDate.getTime())),
    signer,
  };
}
