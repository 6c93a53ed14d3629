import { X509Certificate } from 'node:crypto';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** PEM text of a DER certificate (RFC 7468 3): lines of 64 characters. */
export function pemOf(certificate: Uint8Array): string {
  const lines = Buffer.from(certificate)
    .toString('base64')
    .replace(/.{1,64}/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`;
}

/** PEM text of certificates alone, one after the other, without what stood around them. */
export const pemOfAll = (certificates: readonly X509Certificate[]): string =>
  certificates.map((certificate) => pemOf(certificate.raw)).join('');

export type PemReading =
  | { readonly kind: 'certificates'; readonly certificates: readonly X509Certificate[] }
  | { readonly kind: 'refused'; readonly why: string };

/**
 * Every certificate of a PEM text, or what is wrong with it. OpenSSL's own readers stop at the first block that is damaged and say
 * nothing, so a file that lost a line would be half of itself without a word.
 */
export function readCertificates(pem: string): PemReading {
  const blocks = pem.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) return { kind: 'refused', why: 'holds no PEM certificate' };
  if (pem.split('-----BEGIN ').length - 1 !== blocks.length) {
    return { kind: 'refused', why: 'holds something that is not a whole PEM certificate' };
  }
  const certificates: X509Certificate[] = [];
  for (const block of blocks) {
    try {
      certificates.push(new X509Certificate(block));
    } catch {
      return { kind: 'refused', why: `is damaged: certificate ${certificates.length + 1} cannot be read` };
    }
  }
  return { kind: 'certificates', certificates };
}
