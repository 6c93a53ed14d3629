import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Paths of everything the run's TLS needs. Two authorities: one the origin has, one the proxies sign with. */
export interface Certificates {
  readonly originCert: string;
  readonly originKey: string;
  /** Signs the origin's certificate: what every proxy must verify against. */
  readonly trust: string;
  readonly caCert: string;
  readonly caKey: string;
  /** Signed by `caCert`, for peers that mint no leaves of their own. */
  readonly leafCert: string;
  readonly leafKey: string;
  /** A certificate for the origin's name that `trust` did not sign: a proxy must refuse it. */
  readonly strangerCert: string;
  readonly strangerKey: string;
}

const names = 'subjectAltName=DNS:origin.test,DNS:*.origin.test';

/** Makes them with the openssl command in a folder: P-256 throughout, valid for a week. */
export function makeCertificates(folder: string): Certificates {
  const file = (name: string) => join(folder, name);
  const authority = (name: string) => {
    openssl(folder, [...selfSigned(name), '-addext', 'keyUsage=critical,keyCertSign,cRLSign']);
    return { cert: file(`${name}.pem`), key: file(`${name}-key.pem`) };
  };
  const origin = authority('origin-ca');
  const ca = authority('proxy-ca');
  const stranger = authority('stranger-ca');
  return {
    ...named('origin', leaf(folder, 'origin', origin)),
    ...named('leaf', leaf(folder, 'leaf', ca)),
    ...named('stranger', leaf(folder, 'stranger', stranger)),
    trust: origin.cert,
    caCert: ca.cert,
    caKey: ca.key,
  };
}

interface Pair {
  readonly cert: string;
  readonly key: string;
}

function named<Name extends string>(name: Name, pair: Pair) {
  // The keys are spelt by the type parameter, which an object literal cannot express.
  return { [`${name}Cert`]: pair.cert, [`${name}Key`]: pair.key } as Record<`${Name}Cert` | `${Name}Key`, string>;
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

function selfSigned(name: string): string[] {
  const out = ['-keyout', `${name}-key.pem`, '-out', `${name}.pem`];
  return ['req', '-x509', ...newKey, '-days', '7', '-subj', `/CN=Bench ${name}`, ...out];
}

function leaf(folder: string, name: string, issuer: Pair): Pair {
  const [cert, key, request, extensions] = [`${name}.pem`, `${name}-key.pem`, `${name}.csr`, `${name}.ext`];
  writeFileSync(
    join(folder, extensions),
    `${names}\nextendedKeyUsage=serverAuth\nkeyUsage=critical,digitalSignature\n`,
  );
  openssl(folder, ['req', ...newKey, '-subj', '/CN=origin.test', '-keyout', key, '-out', request]);
  const by = ['-CA', issuer.cert, '-CAkey', issuer.key, '-CAcreateserial', '-days', '7'];
  openssl(folder, ['x509', '-req', '-in', request, ...by, '-extfile', extensions, '-out', cert]);
  return { cert: join(folder, cert), key: join(folder, key) };
}

function openssl(folder: string, argv: readonly string[]): void {
  const result = spawnSync('openssl', argv, { cwd: folder, encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`openssl ${argv[0]} failed: ${result.error?.message ?? result.stderr}`);
}
