import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { asn1 } from 'node-forge';
import { describe, expect, test } from 'vitest';
import type { Authority } from '../../../src/tls/authority.ts';
import { loadOrCreateAuthority } from '../../../src/tls/authority-files.ts';
import { pemOf } from '../../../src/tls/pem.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { CA_EXTENSIONS, isInstalled, openssl, opensslCa, P256 } from './tools.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LONG_NAME = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(49)}.example.com`;
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** A leaf of the authority, on the disk beside it. */
function leafFile(authority: Authority, dir: string, host: string): string {
  const file = path.join(dir, 'leaf.pem');
  writeFileSync(file, pemOf(leafOf(authority, host).raw));
  return file;
}

const leafOf = (authority: Authority, host: string, lifetimeMs = DAY_MS, nowMs = Date.now()): X509Certificate =>
  new X509Certificate(authority.leafTemplate(publicKey).issue(host, nowMs, lifetimeMs).certificate);

async function ownAuthority(dir = temporaryFolder()): Promise<{ authority: Authority; dir: string }> {
  const { authority } = await loadOrCreateAuthority({ dir, nowMs: Date.now() });
  return { authority, dir };
}

const HOSTS = [
  ['a name', 'api.example.com', ['-verify_hostname', 'api.example.com']],
  ['a name of 253 characters', LONG_NAME, ['-verify_hostname', LONG_NAME]],
  ['an IPv4 address', '192.0.2.7', ['-verify_ip', '192.0.2.7']],
  ['an IPv6 address', '[2001:db8::1]', ['-verify_ip', '2001:db8::1']],
  ['the IPv6 loopback', '[::1]', ['-verify_ip', '::1']],
  ['a v4-mapped address', '[::ffff:192.0.2.1]', ['-verify_ip', '::ffff:192.0.2.1']],
] as const;

const CA_KEYS = [
  ['P-256', P256],
  ['P-384', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384']],
  ['P-521', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521']],
  ['RSA 2048', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']],
] as const;

function strictly(caFile: string, leaf: string, ...more: readonly string[]): string {
  return openssl('verify', '-x509_strict', '-purpose', 'sslserver', ...more, '-CAfile', caFile, leaf);
}

describe('leaves, read by openssl', () => {
  test.each(HOSTS)('a leaf for %s passes the strict check', async (_, host, check) => {
    const { authority, dir } = await ownAuthority();
    const verdict = strictly(path.join(dir, 'ca.pem'), leafFile(authority, dir, host), ...check);
    expect(verdict).toContain(': OK');
  });

  test('a leaf is good for no other host', async () => {
    const { authority, dir } = await ownAuthority();
    const leaf = leafFile(authority, dir, 'api.example.com');
    for (const check of [
      ['-verify_hostname', 'example.com'],
      ['-verify_ip', '192.0.2.7'],
    ]) {
      expect(() => strictly(path.join(dir, 'ca.pem'), leaf, ...check)).toThrow(/mismatch/);
    }
  });

  test.each(CA_KEYS)('a CA key of kind %s that an operator brought signs leaves', async (_, key) => {
    const dir = temporaryFolder();
    opensslCa({ dir, key });
    const { authority } = await ownAuthority(dir);
    expect(strictly(path.join(dir, 'ca.pem'), leafFile(authority, dir, 'api.example.com'))).toContain(': OK');
  });

  test('under an intermediate, the chain that is sent leads to the root', async () => {
    const { dir, rootFile } = intermediateCa();
    const { authority } = await ownAuthority(dir);
    const chain = path.join(dir, 'chain.pem');
    writeFileSync(chain, authority.chainPem);
    const leaf = leafFile(authority, dir, 'api.example.com');
    expect(strictly(rootFile, leaf, '-untrusted', chain)).toContain(': OK');
    expect(authority.chainPem.match(/BEGIN/g)).toHaveLength(1);
  });
});

/** ca.pem holds an intermediate and its root; the key is the intermediate's. */
function intermediateCa(): { dir: string; rootFile: string } {
  const above = temporaryFolder();
  opensslCa({ dir: above });
  const dir = temporaryFolder();
  const [key, request, extensions, made] = ['ca-key.pem', 'ca.csr', 'ca.cnf', 'intermediate.pem'].map((name) =>
    path.join(dir, name),
  ) as [string, string, string, string];
  openssl('genpkey', ...P256, '-out', key);
  openssl('req', '-new', '-key', key, '-out', request, '-subj', '/CN=Intermediate of this host');
  writeFileSync(extensions, [...CA_EXTENSIONS, 'authorityKeyIdentifier=keyid'].join('\n'));
  const rootFile = path.join(above, 'ca.pem');
  openssl(
    ...['x509', '-req', '-in', request, '-CA', rootFile, '-CAkey', path.join(above, 'ca-key.pem')],
    ...['-CAcreateserial', '-days', '20', '-extfile', extensions, '-out', made],
  );
  writeFileSync(path.join(dir, 'ca.pem'), readFileSync(made, 'utf8') + readFileSync(rootFile, 'utf8'));
  chmodSync(key, 0o600);
  return { dir, rootFile };
}

describe('leaves, read by node-forge', () => {
  /** Children of a constructed element. */
  const children = (node: asn1.Asn1 | undefined): asn1.Asn1[] => (Array.isArray(node?.value) ? node.value : []);
  const read = (raw: Buffer): asn1.Asn1[] => children(children(asn1.fromDer(raw.toString('latin1')))[0]);
  const text = (node: asn1.Asn1 | undefined): string => (typeof node?.value === 'string' ? node.value : '');

  interface Extension {
    readonly critical: boolean;
    readonly value: Buffer;
  }
  function extensionsOf(raw: Buffer): ReadonlyMap<string, Extension> {
    const list = children(children(read(raw)[7])[0]);
    return new Map(
      list.map((extension) => {
        const parts = children(extension);
        const critical = parts.length === 3 && text(parts[1]) === '\xff';
        return [asn1.derToOid(text(parts[0])), { critical, value: Buffer.from(text(parts.at(-1)), 'latin1') }];
      }),
    );
  }

  test('the subject is empty and the alternative name critical (RFC 5280 4.2.1.6)', async () => {
    const { authority } = await ownAuthority();
    const leaf = leafOf(authority, 'api.example.com');
    expect(children(read(leaf.raw)[5])).toEqual([]);
    expect(extensionsOf(leaf.raw).get('2.5.29.17')?.critical).toBe(true);
    expect(leaf.subjectAltName).toBe('DNS:api.example.com');
  });

  test('an address stands as an address, not as a name', async () => {
    const { authority } = await ownAuthority();
    expect(leafOf(authority, '192.0.2.7').subjectAltName).toBe('IP Address:192.0.2.7');
    const value = extensionsOf(leafOf(authority, '[2001:db8::1]').raw).get('2.5.29.17')?.value;
    expect(value?.toString('hex')).toBe('30128710' + '20010db8000000000000000000000001');
  });

  test('the authority key identifier is the bytes of the subject key identifier above, and not those of the leaf', async () => {
    const dir = temporaryFolder();
    // By an unusual method, so that computing it again would give something else.
    opensslCa({ dir, extensions: [...CA_EXTENSIONS.slice(0, 2), 'subjectKeyIdentifier=0102030405'] });
    const { authority } = await ownAuthority(dir);
    const extensions = extensionsOf(leafOf(authority, 'api.example.com').raw);
    expect(extensions.get('2.5.29.35')?.value.toString('hex')).toBe('30078005' + '0102030405');
    expect(extensions.get('2.5.29.14')?.value).toHaveLength(22);
    expect(extensions.get('2.5.29.14')?.value.includes(Buffer.from('0102030405', 'hex'))).toBe(false);
  });

  test('the issuer is, byte for byte, the subject of the CA', async () => {
    const dir = temporaryFolder();
    opensslCa({ dir, subject: '/C=DE/O=Acme + Söhne/OU=a/OU=b/CN=Root' });
    const { authority } = await ownAuthority(dir);
    const ca = new X509Certificate(readFileSync(path.join(dir, 'ca.pem')));
    const der = (node: asn1.Asn1 | undefined): string => (node === undefined ? '' : asn1.toDer(node).toHex());
    expect(der(read(leafOf(authority, 'api.example.com').raw)[3])).toBe(der(read(ca.raw)[5]));
  });

  test('usages are those of a TLS server, and of a CA that signs nothing but leaves', async () => {
    const { authority, dir } = await ownAuthority();
    const leaf = extensionsOf(leafOf(authority, 'api.example.com').raw);
    expect(leaf.get('2.5.29.15')).toEqual({ critical: true, value: Buffer.from('03020780', 'hex') });
    expect(leaf.get('2.5.29.37')?.value.toString('hex')).toBe('300a06082b06010505070301');
    expect(leaf.get('2.5.29.19')).toEqual({ critical: true, value: Buffer.from('3000', 'hex') });
    const root = extensionsOf(new X509Certificate(readFileSync(path.join(dir, 'ca.pem'))).raw);
    expect(root.get('2.5.29.19')).toEqual({ critical: true, value: Buffer.from('30060101ff020100', 'hex') });
    expect(root.get('2.5.29.15')).toEqual({ critical: true, value: Buffer.from('03020106', 'hex') });
    expect(root.get('2.5.29.14')?.value).toHaveLength(22);
  });

  test('serial numbers are positive, at most 20 octets, and never the same', async () => {
    const { authority } = await ownAuthority();
    const template = authority.leafTemplate(publicKey);
    const serials = new Set<string>();
    for (let count = 0; count < 500; count += 1) {
      const serial = text(read(template.issue('a.example', Date.now(), DAY_MS).certificate)[1]);
      expect(serial.charCodeAt(0)).toBeLessThan(0x80);
      expect(serial.charCodeAt(0)).toBeGreaterThan(0);
      expect(serial.length).toBeLessThanOrEqual(20);
      serials.add(serial);
    }
    expect(serials.size).toBe(500);
  });
});

describe('the life of a certificate', () => {
  test('a leaf is backdated by an hour and lasts for the time to live', async () => {
    const { authority } = await ownAuthority();
    const nowMs = Date.now() + 2 * DAY_MS;
    const leaf = leafOf(authority, 'a.example', 3 * HOUR_MS, nowMs);
    expect(Math.abs(leaf.validFromDate.getTime() - (nowMs - HOUR_MS))).toBeLessThan(1000);
    expect(Math.abs(leaf.validToDate.getTime() - (nowMs + 3 * HOUR_MS))).toBeLessThan(1000);
  });

  test('a leaf ends no later than its issuer, nor than what is above it', async () => {
    const { authority } = await ownAuthority(intermediateCa().dir);
    const leaf = leafOf(authority, 'a.example', 365 * DAY_MS);
    expect(leaf.validToDate).toEqual(authority.notAfter);
    expect(authority.notAfter.getTime()).toBeLessThan(Date.now() + 21 * DAY_MS);
  });

  test('a leaf does not begin before its issuer', async () => {
    const dir = temporaryFolder();
    opensslCa({ dir });
    const { authority } = await ownAuthority(dir);
    expect(leafOf(authority, 'a.example').validFromDate).toEqual(authority.notBefore);
  });

  test('a root that ends after 2049 can be read', async () => {
    const dir = temporaryFolder();
    const { authority } = await loadOrCreateAuthority({ dir, nowMs: Date.now(), days: 36_500 });
    expect(authority.notAfter.getUTCFullYear()).toBeGreaterThan(2100);
    expect(strictly(path.join(dir, 'ca.pem'), leafFile(authority, dir, 'api.example.com'))).toContain(': OK');
  });
});

const GO_PROGRAM = `package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

func main() {
	roots, chain := x509.NewCertPool(), x509.NewCertPool()
	read := func(name string) []byte { text, err := os.ReadFile(name); if err != nil { panic(err) }; return text }
	roots.AppendCertsFromPEM(read(os.Args[1]))
	chain.AppendCertsFromPEM(read(os.Args[2]))
	for at := 3; at < len(os.Args); at += 2 {
		block, _ := pem.Decode(read(os.Args[at]))
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err == nil { _, err = leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: chain, DNSName: os.Args[at+1]}) }
		fmt.Println(err)
	}
}
`;

test.runIf(isInstalled('go', 'version'))(
  "Go's crypto/x509 accepts leaves of a root and of an intermediate",
  async () => {
    const { dir, rootFile } = intermediateCa();
    const { authority } = await ownAuthority(dir);
    writeFileSync(path.join(dir, 'chain.pem'), authority.chainPem);
    const pairs = HOSTS.filter(([, host]) => !host.startsWith('[::ffff')).map(([, host], index) => {
      const file = path.join(dir, `leaf-${index}.pem`);
      writeFileSync(file, pemOf(leafOf(authority, host).raw));
      return [file, host];
    });
    writeFileSync(path.join(dir, 'main.go'), GO_PROGRAM);
    const args = ['run', path.join(dir, 'main.go'), rootFile, path.join(dir, 'chain.pem'), ...pairs.flat()];
    const printed = execFileSync('go', args, { encoding: 'utf8', env: { ...process.env, GOTOOLCHAIN: 'local' } });
    expect(printed.trim().split('\n')).toEqual(pairs.map(() => '<nil>'));
  },
  60_000,
);
