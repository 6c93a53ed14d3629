import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { canonicalHost } from '../../src/address/hostname.ts';
import { buildRoot, leafTemplate, signerOf } from '../../src/tls/certificate.ts';
import { readCertificate } from '../../src/tls/certificate-reader.ts';
import { holds, same, type Target } from '../target.ts';

/** A P-256 key that is known to everybody, so that a run can be repeated; it protects nothing. */
const privateKey = createPrivateKey({
  format: 'jwk',
  key: {
    kty: 'EC',
    crv: 'P-256',
    x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
    y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
    d: '870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE',
  },
});
const publicKey = createPublicKey(privateKey);
const NOW_MS = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;
const root = buildRoot({ commonName: 'Fuzz', privateKey, publicKey, nowMs: NOW_MS, lifetimeMs: 700 * DAY_MS });
const issuerOf = (certificate: Buffer) => {
  const { subject, subjectKeyId } = readCertificate(certificate);
  const signer = signerOf(privateKey);
  if (signer === null || subjectKeyId === null) throw new Error('the root cannot issue');
  return {
    name: subject,
    keyId: subjectKeyId,
    notBeforeMs: NOW_MS - DAY_MS,
    notAfterMs: NOW_MS + 700 * DAY_MS,
    signer,
  };
};
const template = leafTemplate(issuerOf(root), publicKey);
const trusted = new X509Certificate(root);

/** A leaf for whatever is a host, as OpenSSL reads it; and any bytes, given to our reader of certificates. */
export const target: Target = {
  name: 'certificate',
  seeds: [
    'api.example.com',
    '127.0.0.1',
    '[2001:db8::1]',
    '[::ffff:10.0.0.1]',
    '_x.example.com',
    `${'a'.repeat(60)}.${'b'.repeat(60)}.example.com`,
    root,
  ],
  dictionary: [
    '.',
    '-',
    'a',
    '0',
    '[',
    ']',
    ':',
    '::',
    '0x',
    '\x30\x82',
    '\x06\x03\x55\x1d',
    '\xa3',
    '\x01\x01\xff',
    '\x80',
    '\x84\xff\xff\xff\xff',
  ],
  bytesMax: 600,
  batchInputs: 100,
  check(input) {
    checkReader(input);
    const host = canonicalHost(input.toString('latin1'));
    if (host.ok) checkLeaf(host.host);
  },
};

/** It says what OpenSSL says of the same bytes, where OpenSSL takes them; else it throws a RangeError and nothing else. */
function checkReader(input: Buffer): void {
  let ours: ReturnType<typeof readCertificate> | null = null;
  try {
    ours = readCertificate(input);
  } catch (error) {
    holds('bytes that are no certificate are a RangeError', error instanceof RangeError);
  }
  if (input[0] !== 0x30 || ours === null) return;
  let theirs: X509Certificate;
  try {
    theirs = new X509Certificate(input);
  } catch {
    return;
  }
  // The other way round OpenSSL is stricter: an extension that it cannot read makes a certificate no CA.
  const isCa = ours.basicConstraints?.ca === true && ours.keyUsage?.certSign !== false;
  if (theirs.ca) same('a CA for OpenSSL is one for us', isCa, true);
  holds('the subject is among the bytes', input.includes(ours.subject));
}

function checkLeaf(host: string): void {
  const { certificate, notAfterMs } = template.issue(host, NOW_MS, DAY_MS);
  const leaf = new X509Certificate(certificate);
  const isAddress = host.startsWith('[') || /^[0-9.]+$/.test(host);
  if (isAddress) same('its address is in it', leaf.checkIP(host.replace(/^\[|\]$/g, '')) !== undefined, true);
  else same('its name is in it, alone', leaf.subjectAltName, `DNS:${host}`);
  same('it is valid until then', leaf.validToDate.getTime(), notAfterMs);
  same('its issuer vouches for it', leaf.checkIssued(trusted) && leaf.verify(publicKey), true);
  same('it is no CA', leaf.ca, false);
  const fields = readCertificate(certificate);
  same(
    'our reader finds what our writer wrote',
    [fields.basicConstraints, fields.keyUsage],
    [
      { critical: true, ca: false },
      { critical: true, certSign: false },
    ],
  );
}
