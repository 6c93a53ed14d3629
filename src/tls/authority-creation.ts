import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { AuthorityPaths } from './authority-paths.ts';
import { buildRoot, keyIdOf } from './certificate.ts';
import { claimName, syncFolder, writeNew } from './durable-file.ts';
import { pemOf } from './pem.ts';

const DAY_MS = 86_400_000;

/** SEMANTICS.md 13: roots last two years. */
export const ROOT_DAYS = 730;

export interface RootRequest {
  readonly nowMs: number;
  readonly days?: number | undefined;
  readonly commonName?: string | undefined;
}

/**
 * Makes a root and its key. Two files cannot appear at one instant, so this is a commit in two steps:
 *
 *     ca.pem.new-ID, ca-key.pem.new-ID   written whole and synced
 *     ca-key.pem                         given to the key: whoever is first has made the CA
 *     ca.pem                             given to its certificate: anyone can do this, the key says which ID it is
 *
 * A process that dies before the second step has made nothing; one that dies before the third leaves what `finishCreation` completes.
 * @returns false if another process was first
 */
export async function createPair(paths: AuthorityPaths, request: RootRequest): Promise<boolean> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const commonName = request.commonName ?? `Postern CA ${keyIdOf(publicKey).toString('hex', 0, 4)}`;
  const lifetimeMs = (request.days ?? ROOT_DAYS) * DAY_MS;
  const root = buildRoot({ commonName, publicKey, privateKey, nowMs: request.nowMs, lifetimeMs });
  const pending = pendingNames(paths, publicKey);
  await mkdir(paths.dir, { recursive: true });
  try {
    await writeNew(pending.ca, pemOf(root), 0o644);
    await writeNew(pending.key, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 0o600);
    if (!(await claimName(pending.key, paths.key))) return false;
    await finishCreation(paths, publicKey);
    return true;
  } finally {
    await rm(pending.key, { force: true });
    await rm(pending.ca, { force: true });
  }
}

/** Gives ca.pem to the certificate that waits for this key, if there is one; then clears what dead processes left behind. */
export async function finishCreation(paths: AuthorityPaths, key: KeyObject): Promise<void> {
  await claimName(pendingNames(paths, key).ca, paths.ca);
  await syncFolder(paths.dir);
  await clearPending(paths.dir);
}

/** Removes what creations left behind that were cut short: with the CA in place nobody can finish them, and some of it is its key. */
export async function clearPending(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (PENDING.test(name)) await rm(path.join(dir, name), { force: true });
  }
}

const PENDING = /^ca(-key)?\.pem\.new-[0-9a-f]{64}$/;

function pendingNames(paths: AuthorityPaths, key: KeyObject): { readonly ca: string; readonly key: string } {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const id = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
  return { ca: `${paths.ca}.new-${id}`, key: `${paths.key}.new-${id}` };
}
