import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';

/** Whether a program runs with these arguments, or a module of it can be had; says loudly that tests are skipped if not. */
export function isInstalled(program: string, ...args: readonly string[]): boolean {
  const found = spawnSync(program, args.length === 0 ? ['--version'] : args).status === 0;
  if (!found) console.warn(`SKIPPED: ${[program, ...args].join(' ')} does not run, nor do the tests with it`);
  return found;
}

/** Runs openssl and returns what it printed; throws with its error text. */
export const openssl = (...args: readonly string[]): string =>
  execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

export const CA_EXTENSIONS = [
  'basicConstraints=critical,CA:TRUE',
  'keyUsage=critical,keyCertSign,cRLSign',
  'subjectKeyIdentifier=hash',
] as const;

export interface OpensslCa {
  readonly dir: string;
  /** Arguments of `openssl genpkey`. */
  readonly key?: readonly string[];
  readonly extensions?: readonly string[];
  readonly subject?: string;
  readonly days?: number;
}

export const P256 = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'] as const;

/** A CA as an operator would bring it: ca.pem and ca-key.pem made by openssl alone. */
export function opensslCa(ca: OpensslCa): void {
  const key = path.join(ca.dir, 'ca-key.pem');
  openssl('genpkey', ...(ca.key ?? P256), '-out', key);
  const extensions = (ca.extensions ?? CA_EXTENSIONS).flatMap((extension) => ['-addext', extension]);
  const config = path.join(ca.dir, 'empty.cnf');
  // Without the system's configuration: it would add extensions of its own.
  writeFileSync(config, '[req]\ndistinguished_name=dn\n[dn]\n');
  openssl(
    ...['req', '-x509', '-new', '-config', config, '-key', key, '-out', path.join(ca.dir, 'ca.pem')],
    ...['-subj', ca.subject ?? '/O=Acme/CN=Acme Root', '-days', String(ca.days ?? 30), ...extensions],
  );
}
