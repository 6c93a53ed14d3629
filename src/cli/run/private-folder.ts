import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleOf } from '../../tls/bundle.ts';
import { readCertificates } from '../../tls/pem.ts';
import { DEFAULT_PASSWORD, trustStoreOf } from '../trust-store.ts';

/** What one run keeps on the disk, and takes away when it ends. */
export interface PrivateFolder {
  readonly path: string;
  /** Where a CA is made, if nobody named one. */
  readonly ca: string;
  /** What the command may read: never beside a key. */
  readonly shown: string;
  /** Of the socket by which an isolated command reaches the proxy. */
  readonly link: string;
  /** What an isolated command has as its home, as /tmp and as /var/tmp. */
  readonly home: string;
  readonly tmp: string;
  readonly varTmp: string;
}

export const CA_FILE = 'ca.pem';
export const BUNDLE_FILE = 'bundle.pem';
export const TRUST_STORE_FILE = 'truststore.p12';

export async function makePrivateFolder(): Promise<PrivateFolder> {
  const path = await mkdtemp(join(tmpdir(), 'postern-run-'));
  const at = (name: string): string => join(path, name);
  const folder = {
    path,
    ca: at('ca'),
    shown: at('shown'),
    link: at('link'),
    home: at('home'),
    tmp: at('tmp'),
    varTmp: at('var-tmp'),
  };
  await mkdir(folder.link, { mode: 0o700 });
  for (const name of [folder.shown, folder.home]) await mkdir(name, { mode: 0o755 });
  // chmod, since what mkdir makes is subject to the umask.
  for (const name of [folder.tmp, folder.varTmp]) {
    await mkdir(name);
    await chmod(name, 0o1777);
  }
  return folder;
}

export const removePrivateFolder = ({ path }: PrivateFolder): Promise<void> =>
  rm(path, { recursive: true, force: true, maxRetries: 3 });

/** Writes the public half of the CA, in every form that a client wants. */
export async function showAuthority({ shown }: PrivateFolder, caPem: string): Promise<void> {
  const { pem } = bundleOf(caPem);
  const roots = readCertificates(pem);
  await writeShown(join(shown, CA_FILE), caPem);
  await writeShown(join(shown, BUNDLE_FILE), pem);
  if (roots.kind === 'certificates')
    await writeShown(join(shown, TRUST_STORE_FILE), await trustStoreOf(roots.certificates, DEFAULT_PASSWORD));
}

async function writeShown(file: string, contents: string | Buffer): Promise<void> {
  await writeFile(file, contents);
  await chmod(file, 0o644);
}
