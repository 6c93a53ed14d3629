import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';

/** The roots that this machine trusts, PEM, and where they come from, to be told to people. */
export interface SystemRoots {
  readonly pem: string;
  /** A file, `system` (a key chain that Node reads), or `bundled` (Mozilla's list inside Node). */
  readonly source: string;
}

/** Where distributions keep their roots in one file, the order in which Go looks for them. */
const ROOT_FILES = [
  '/etc/ssl/certs/ca-certificates.crt', // Debian, Ubuntu, Arch, Gentoo, NixOS
  '/etc/pki/tls/certs/ca-bundle.crt', // Fedora, RHEL
  '/etc/ssl/ca-bundle.pem', // openSUSE
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem', // CentOS
  '/etc/ssl/cert.pem', // Alpine
] as const;

/**
 * The system's roots, or those in Node where there are none. Reading the file takes 0.2 ms; Node's own
 * `getCACertificates('system')` 52 ms on Debian, since it parses every file of /etc/ssl/certs as well.
 * SSL_CERT_FILE is not looked at: in a shell that evaluated `postern env` it names our own bundle, and then Postern would trust
 * itself upstream. Roots are added by `upstream.trust`.
 */
export function readSystemRoots(files: readonly string[] = ROOT_FILES): SystemRoots {
  if (process.platform === 'darwin' || process.platform === 'win32') {
    const pems = getCACertificates('system');
    if (pems.length > 0) return { pem: joined(pems), source: 'system' };
  }
  for (const file of files) {
    const pem = readOrNull(file);
    if (pem?.includes('-----BEGIN CERTIFICATE-----')) return { pem: joined([pem]), source: file };
  }
  return { pem: joined(getCACertificates('bundled')), source: 'bundled' };
}

function readOrNull(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

/** One text in which each certificate begins on a line of its own. */
const joined = (pems: readonly string[]): string => pems.map((pem) => `${pem.trim()}\n`).join('');
