import { createHash, createHmac, randomBytes, type X509Certificate } from 'node:crypto';
import * as der from '../tls/der.ts';

/** What Java and its tools use where nobody chose another; a store of certificates has nothing to hide. */
export const DEFAULT_PASSWORD = 'changeit';

const ID = {
  data: '1.2.840.113549.1.7.1',
  certBag: '1.2.840.113549.1.12.10.1.3',
  x509Certificate: '1.2.840.113549.1.9.22.1',
  friendlyName: '1.2.840.113549.1.9.20',
  /** Oracle's: without it Java reads the certificate and trusts it for nothing. */
  trustedKeyUsage: '2.16.840.1.113894.746875.1.1',
  anyExtendedKeyUsage: '2.5.29.37.0',
  sha256: '2.16.840.1.101.3.4.2.1',
} as const;

const MAC_ITERATIONS = 10_000;
const MAC_BYTES = 32;
/** RFC 7292 B.3: the purpose of the key that the password becomes. */
const MAC_KEY = 3;

/**
 * A PKCS#12 trust store (RFC 7292) of certificates alone, which Java takes as `javax.net.ssl.trustStore`. Its contents are not
 * encrypted: so Java also reads it without the password, and the password need not stand in JAVA_TOOL_OPTIONS; what it protects is
 * that the store was not altered. node-forge derives the key of that; it cannot write the store itself, since it knows no EC keys.
 */
export async function trustStoreOf(certificates: readonly X509Certificate[], password: string): Promise<Buffer> {
  const bags = certificates.map((certificate) => bagOf(certificate.raw, aliasOf(certificate)));
  const safeContents = der.sequence(...bags);
  const authenticatedSafe = der.sequence(dataOf(safeContents));
  const version = der.integer(Uint8Array.of(3));
  return der.sequence(version, dataOf(authenticatedSafe), await macOf(authenticatedSafe, password));
}

/** Java keeps one certificate a name, in lower case; the digest makes sure that no two are the same. */
function aliasOf(certificate: X509Certificate): string {
  const digest = createHash('sha256').update(certificate.raw).digest('hex').slice(0, 16);
  const commonName = /^CN=(.+)$/m.exec(certificate.subject)?.[1] ?? 'root';
  return `${commonName.toLowerCase().replace(/[^a-z0-9]+/g, '-')}-${digest}`;
}

/** RFC 7292 4: contents in the clear. */
const dataOf = (contents: Buffer): Buffer =>
  der.sequence(der.objectIdentifier(ID.data), der.explicit(0, der.octetString(contents)));

/** RFC 7292 4.2.3. */
function bagOf(certificate: Buffer, alias: string): Buffer {
  const value = der.sequence(der.objectIdentifier(ID.x509Certificate), der.explicit(0, der.octetString(certificate)));
  const attribute = (id: string, inner: Buffer): Buffer => der.sequence(der.objectIdentifier(id), der.setOf(inner));
  return der.sequence(
    der.objectIdentifier(ID.certBag),
    der.explicit(0, value),
    der.setOf(
      attribute(ID.friendlyName, der.bmpString(alias)),
      attribute(ID.trustedKeyUsage, der.objectIdentifier(ID.anyExtendedKeyUsage)),
    ),
  );
}

/** RFC 7292 4: HMAC with SHA-256, which Java knows from 8u301 and 11.0.12 on. */
async function macOf(authenticatedSafe: Buffer, password: string): Promise<Buffer> {
  const { default: forge } = await import('node-forge');
  const salt = randomBytes(20);
  const saltBytes = forge.util.createBuffer(salt.toString('latin1'));
  const digest = forge.md.sha256.create();
  const key = forge.pkcs12.generateKey(password, saltBytes, MAC_KEY, MAC_ITERATIONS, MAC_BYTES, digest);
  const mac = createHmac('sha256', Buffer.from(key.getBytes(), 'latin1')).update(authenticatedSafe).digest();
  const algorithm = der.sequence(der.objectIdentifier(ID.sha256), der.nullValue());
  const iterations = Buffer.alloc(4);
  iterations.writeUInt32BE(MAC_ITERATIONS);
  return der.sequence(der.sequence(algorithm, der.octetString(mac)), der.octetString(salt), der.integer(iterations));
}
