import { createPrivateKey, type KeyObject } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';
import { errorCode } from '../errors.ts';
import { type Authority, AuthorityError, authorityOf } from './authority.ts';
import { clearPending, createPair, finishCreation, type RootRequest } from './authority-creation.ts';
import { type AuthorityPaths, authorityPaths } from './authority-paths.ts';

const FILE_BYTES_MAX = 1024 * 1024;

export interface LoadedAuthority {
  readonly authority: Authority;
  readonly paths: AuthorityPaths;
  /** True if this call made it. */
  readonly created: boolean;
}

/** `days` and `commonName` are for a root that has to be made. */
export interface AuthorityRequest extends RootRequest {
  readonly dir: string;
}

/**
 * Reads the CA of a folder, or makes one if the folder holds neither ca.pem nor ca-key.pem. What is there is never replaced.
 * @throws AuthorityError that says what to do, if what is there cannot be used or nothing can be written
 */
export async function loadOrCreateAuthority(request: AuthorityRequest): Promise<LoadedAuthority> {
  const found = await loadAuthority(request.dir, request.nowMs);
  if (found !== null) {
    // A folder that is read-only is left as it is.
    await clearPending(request.dir).catch(() => {});
    return found;
  }
  const paths = authorityPaths(request.dir);
  const created = await createPair(paths, request).catch((error: unknown) => {
    const problem = `has no CA, and none can be written (${errorCode(error)})`;
    throw new AuthorityError(paths.dir, problem, 'make the folder writable, or put ca.pem and ca-key.pem there');
  });
  // Read back rather than kept: another process may have been first, and what the next start will find is proven now.
  const loaded = await loadAuthority(request.dir, request.nowMs);
  if (loaded === null) throw new AuthorityError(paths.dir, 'lost its CA while it was made', 'start again');
  return { ...loaded, created };
}

/**
 * Reads the CA of a folder.
 * @returns null if there is none
 * @throws AuthorityError that says what to do
 */
export async function loadAuthority(dir: string, nowMs: number): Promise<LoadedAuthority | null> {
  const paths = authorityPaths(dir);
  // ca.pem first: it is made last (see `createPair`), so where it is seen, its key is there already.
  const caPem = await readIfPresent(paths.ca);
  const keyPem = await readIfPresent(paths.key, assertPrivate);
  if (keyPem === null) {
    if (caPem === null) return null;
    const problem = `is missing, although ${paths.ca} is there`;
    throw new AuthorityError(paths.key, problem, 'put the key back, or move ca.pem away to have a new CA made');
  }
  const key = privateKeyOf(keyPem, paths.key);
  const pair = { caFile: paths.ca, caPem: caPem ?? (await pendingCertificate(paths, key)), keyFile: paths.key, key };
  return { authority: authorityOf(pair, nowMs), paths, created: false };
}

/** The key is there and the certificate is not: either a creation was cut short, which is finished here, or it was lost. */
async function pendingCertificate(paths: AuthorityPaths, key: KeyObject): Promise<string> {
  const remedy = 'put the certificate back, or move ca-key.pem away to have a new CA made';
  await finishCreation(paths, key).catch((error: unknown) => {
    throw new AuthorityError(paths.ca, `is missing and cannot be written (${errorCode(error)})`, remedy);
  });
  const caPem = await readIfPresent(paths.ca);
  if (caPem === null) throw new AuthorityError(paths.ca, `is missing, although ${paths.key} is there`, remedy);
  return caPem;
}

function privateKeyOf(pem: string, file: string): KeyObject {
  if (pem.includes('ENCRYPTED')) {
    throw new AuthorityError(file, 'is encrypted', 'write it without a passphrase: openssl pkey -in OLD -out NEW');
  }
  try {
    return createPrivateKey(pem);
  } catch {
    // OpenSSL's own text stays out: it speaks of decoders, and nothing about a key belongs in a message.
    const remedy = 'put it back from a copy, or move it and ca.pem away to have a new CA made';
    throw new AuthorityError(file, 'is damaged: it holds no private key that can be read', remedy);
  }
}

/** A key that others can read is as good as theirs; ours is written 0600. */
function assertPrivate(stats: Stats, file: string): void {
  const mode = stats.mode & 0o777;
  if ((mode & 0o077) === 0) return;
  const octal = mode.toString(8).padStart(4, '0');
  throw new AuthorityError(file, `can be read or written by others (mode ${octal})`, `run: chmod 600 ${file}`);
}

/** The text of a file, null if it does not exist. What is checked is the file that is read, not a name that may change between. */
async function readIfPresent(file: string, check?: (stats: Stats, file: string) => void): Promise<string | null> {
  try {
    // Without O_NONBLOCK, opening a FIFO waits for a writer.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await handle.stat();
    if (!stats.isFile() || stats.size > FILE_BYTES_MAX) {
      throw new AuthorityError(file, 'is not a PEM file', 'put a PEM file there');
    }
    check?.(stats, file);
    return await handle.readFile('utf8');
  } catch (error) {
    if (error instanceof AuthorityError) throw error;
    if (errorCode(error) === 'ENOENT') return null;
    const remedy = 'give the user that runs Postern the right to read it';
    throw new AuthorityError(file, `cannot be read (${errorCode(error)})`, remedy);
  }
}
