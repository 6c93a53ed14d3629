import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { rootCertificates } from 'node:tls';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readCertificate } from '../../../src/tls/certificate-reader.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { CA_EXTENSIONS, openssl, opensslCa } from './tools.ts';

function rawOf(extensions: readonly string[]): { readonly raw: Buffer; readonly file: string } {
  const dir = temporaryFolder();
  opensslCa({ dir, extensions });
  const file = path.join(dir, 'ca.pem');
  return { raw: new X509Certificate(readFileSync(file)).raw, file };
}

const ALL_USAGES =
  'digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment,keyAgreement,keyCertSign,cRLSign,encipherOnly,decipherOnly';

describe('what a certificate says', () => {
  test('is read as openssl prints it', () => {
    const { raw, file } = rawOf(CA_EXTENSIONS);
    const fields = readCertificate(raw);
    const printed = openssl('x509', '-in', file, '-noout', '-ext', 'subjectKeyIdentifier');
    const keyId = /([0-9A-F]{2}:)+[0-9A-F]{2}/.exec(printed)?.[0].replaceAll(':', '').toLowerCase();
    expect(fields.subjectKeyId?.toString('hex')).toBe(keyId);
    expect(fields.basicConstraints).toEqual({ critical: true, ca: true });
    expect(fields.keyUsage).toEqual({ critical: true, certSign: true });
    expect(fields.subject.toString('latin1')).toContain('Acme Root');
  });

  test.each([
    ['nothing at all', ['subjectKeyIdentifier=none'], { subjectKeyId: null, basicConstraints: null, keyUsage: null }],
    ['no CA', ['basicConstraints=CA:FALSE'], { basicConstraints: { critical: false, ca: false } }],
    ['a path length', ['basicConstraints=CA:TRUE,pathlen:3'], { basicConstraints: { critical: false, ca: true } }],
    ['another usage', ['keyUsage=digitalSignature'], { keyUsage: { critical: false, certSign: false } }],
    ['all nine usages', [`keyUsage=${ALL_USAGES}`], { keyUsage: { critical: false, certSign: true } }],
  ])('may be %s', (_, extensions, expected) => {
    expect(readCertificate(rawOf(extensions).raw)).toMatchObject(expected);
  });

  test('agrees with OpenSSL on every root of Node', () => {
    for (const pem of rootCertificates) {
      const certificate = new X509Certificate(pem);
      expect(readCertificate(certificate.raw).basicConstraints?.ca).toBe(certificate.ca);
    }
  });

  test('is a RangeError, and nothing else, where the bytes are not a certificate', () => {
    const { raw } = rawOf(CA_EXTENSIONS);
    const edits = fc.array(fc.tuple(fc.nat(raw.length - 1), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(edits, fc.nat(raw.length), (changes, length) => {
        const bytes = Buffer.from(raw.subarray(0, length));
        for (const [at, value] of changes) if (at < length) bytes[at] = value;
        try {
          readCertificate(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
