import path from 'node:path';
import { errorCode } from '../errors.ts';
import { readSecretFile } from '../secrets/secret-file.ts';
import { type LoadedAuthority, loadAuthority } from '../tls/authority-files.ts';
import { bundleOf } from '../tls/bundle.ts';
import { replaceFile } from '../tls/durable-file.ts';
import { readCertificates } from '../tls/pem.ts';
import type { CommandIo } from './command.ts';
import { RefusedError } from './failure.ts';
import { DEFAULT_PASSWORD, trustStoreOf } from './trust-store.ts';

export interface Export {
  readonly dir: string;
  readonly format: 'pem' | 'bundle' | 'p12';
  /** Null: standard output, and for a trust store the file beside ca.pem that `env` looks for. */
  readonly out: string | null;
  readonly passwordFile: string | null;
}

/** The CA of a folder, which must be there. */
export async function presentAuthority(dir: string): Promise<LoadedAuthority> {
  const found = await loadAuthority(dir, Date.now());
  if (found === null) throw new RefusedError(`${dir}  holds no CA; run "postern ca init"`);
  return found;
}

/** Prints or writes the CA in one of its public forms. */
export async function exportAuthority(wanted: Export, io: CommandIo): Promise<number> {
  const { authority, paths } = await presentAuthority(wanted.dir);
  const out = wanted.out === null ? null : path.resolve(io.cwd, wanted.out);
  if (out === paths.ca || out === paths.key)
    throw new RefusedError(`${out}  is the CA itself; name another with --out`);
  const pem = wanted.format === 'pem' ? authority.caPem : bundleOf(authority.caPem).pem;
  if (wanted.format === 'p12') {
    const store = await trustStore(pem, await passwordOf(wanted.passwordFile, io));
    return await write(store, out ?? paths.trustStore, io);
  }
  if (out !== null) return await write(pem, out, io);
  io.out(pem);
  return 0;
}

/** Java's setting replaces its roots, so the store holds all of the bundle. */
function trustStore(bundlePem: string, password: string): Promise<Buffer> {
  const reading = readCertificates(bundlePem);
  if (reading.kind === 'refused') throw new RefusedError(`the bundle ${reading.why}; mend the roots of this machine`);
  return trustStoreOf(reading.certificates, password);
}

async function passwordOf(file: string | null, io: CommandIo): Promise<string> {
  if (file === null) return DEFAULT_PASSWORD;
  const reading = await readSecretFile(path.resolve(io.cwd, file), false);
  if (!reading.ok) throw new RefusedError(`${file}  ${reading.why}`);
  const password = reading.text.replace(/\r?\n$/, '');
  // keytool takes no shorter ones, and what is not ASCII Java's tools read by the locale.
  if (!/^[\x20-\x7e]{6,}$/.test(password)) {
    throw new RefusedError(`${file}  holds no usable password; put six or more ASCII characters there, on one line`);
  }
  return password;
}

async function write(contents: string | Buffer, file: string, io: CommandIo): Promise<number> {
  try {
    await replaceFile(file, contents, 0o644);
  } catch (error) {
    throw new RefusedError(`${file}  cannot be written (${errorCode(error)}); name another with --out`);
  }
  io.out(`${file}\n`);
  return 0;
}
